"""torchvision's MobileNetV2 as a folder of transformers: the same features, from the published file alone."""

import hashlib
import runpy
import sys
from collections import OrderedDict

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoImageProcessor, AutoModel

from focus_mmdet.errors import InputError
from tests.conftest import ROOT
from tools.model_converters import mobilenet_v2

#: Of the paper: expansion, channels, blocks, stride.
BLOCKS = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]


class Torchvision:
    """Its forward pass, layer by layer over its weights, which are drawn where they are first used."""

    def __init__(self):
        self.weights = OrderedDict()
        self.generator = torch.Generator().manual_seed(0)

    def draw(self, name, *shape):
        if name not in self.weights:
            self.weights[name] = torch.rand(shape, generator=self.generator) + (
                0.5 if 'running_var' in name else -0.5
            )
        return self.weights[name]

    def layer(self, x, conv, norm, channels, kernel, stride=1, groups=1, relu=True):
        weight = self.draw(f'{conv}.weight', channels, x.shape[1] // groups, kernel, kernel)
        x = F.conv2d(x, weight, stride=stride, padding=kernel // 2, groups=groups)
        names = ('weight', 'bias', 'running_mean', 'running_var')
        scale, shift, mean, variance = (self.draw(f'{norm}.{name}', channels) for name in names)
        self.weights[f'{norm}.num_batches_tracked'] = torch.tensor(1)
        x = F.batch_norm(x, mean, variance, scale, shift, eps=1e-5)
        return F.relu6(x) if relu else x

    def __call__(self, x):
        """The features after each of ``features[1:]``."""
        x = self.layer(x, 'features.0.0', 'features.0.1', 32, 3, stride=2)
        found = []
        for expansion, channels, count, first_stride in BLOCKS:
            for number in range(count):
                name, stride = f'features.{len(found) + 1}.conv', first_stride if number == 0 else 1
                y, hidden, place = x, x.shape[1] * expansion, 0
                if expansion != 1:
                    y, place = self.layer(y, f'{name}.0.0', f'{name}.0.1', hidden, 1), 1
                y = self.layer(y, f'{name}.{place}.0', f'{name}.{place}.1', hidden, 3, stride, groups=hidden)
                y = self.layer(y, f'{name}.{place + 1}', f'{name}.{place + 2}', channels, 1, relu=False)
                x = x + y if stride == 1 and x.shape == y.shape else y
                found.append(x)
        return [*found, self.layer(x, 'features.18.0', 'features.18.1', 1280, 1)]


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The file of a random torchvision model, held to be the published one, and the model."""
    theirs = Torchvision()
    with torch.no_grad():
        theirs(torch.zeros(1, 3, 32, 32))
    path = tmp_path / 'mobilenet_v2.pth'
    torch.save({**theirs.weights, 'classifier.1.weight': torch.zeros(10, 1280)}, path)
    monkeypatch.setattr(mobilenet_v2, 'SHA256', hashlib.sha256(path.read_bytes()).hexdigest())
    return path, theirs


def test_the_folder_gives_torchvisions_features(published, tmp_path, monkeypatch):
    path, theirs = published
    folder = tmp_path / 'mobilenet-v2'
    monkeypatch.setattr(sys, 'argv', ['mobilenet_v2.py', str(path), str(folder)])
    mobilenet_v2.main()
    model = AutoModel.from_pretrained(folder).eval()
    image = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        _, *expected = theirs(image)
        found = model(image, output_hidden_states=True)
    for own, features in zip([*found.hidden_states, found.last_hidden_state], expected, strict=True):
        assert torch.equal(own, features)
    assert found.hidden_states[11].shape == (2, 96, 4, 6), 'as torchvision numbers it, 13'
    processor = AutoImageProcessor.from_pretrained(folder)
    assert list(processor.image_mean) == [0.485, 0.456, 0.406]
    assert list(processor.image_std) == [0.229, 0.224, 0.225]
    assert 'BSD-3-Clause' in (folder / 'README.md').read_text()


def test_another_file_is_named(published, tmp_path):
    path, _ = published
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r'mobilenet_v2\.pth: its sha256 is .* Download it again'):
        mobilenet_v2.published_weights(str(path))
    with pytest.raises(InputError, match=r'gone\.pth: no such file'):
        mobilenet_v2.published_weights(str(tmp_path / 'gone.pth'))


def test_the_published_file_is_the_one_asked_for():
    script = runpy.run_path(str(ROOT / 'tools/model_converters/mobilenet_v2.py'))
    # torchvision names its files by the first eight digits.
    assert script['SHA256'].startswith('b0353104')
