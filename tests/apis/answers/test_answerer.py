"""Large photographs are decoded no larger than is needed, and nobody notices."""

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.apis.inputs.images import read_rgb, read_seen
from tests.conftest import ROOT


@pytest.fixture(scope='module')
def vlm(vlm_folder):
    config = Config.fromfile(str(ROOT / 'configs/focus_tiny_stage2.py'))
    config.model.pretrained = vlm_folder()
    return InContextInferencer(config, device='cpu')


@pytest.fixture(params=[1, 6])
def large(tmp_path, request):
    """A JPEG of 1603 x 1202 pixels, stored upright or on its side."""
    photo = Image.open(ROOT / 'data/realset/images/duck_toy_00001.jpg').resize((1603, 1202))
    exif = Image.Exif()
    exif[0x0112] = request.param
    photo.save(tmp_path / 'large.jpg', exif=exif, quality=95)
    return tmp_path / 'large.jpg', (1603, 1202) if request.param == 1 else (1202, 1603)


@pytest.fixture(scope='module')
def small():
    """The model that finds things where nothing is said."""
    return InContextInferencer(device='cpu')


@pytest.mark.parametrize('kind', ['matcher', 'vlm', 'small'])
def test_less_is_decoded_and_the_model_sees_the_same(request, large, kind):
    find, (path, size) = request.getfixturevalue(kind), large
    seen = read_seen(path, '', find.answerer.is_enough)
    assert seen.size == size
    assert seen.pixels.size < size[0] * size[1] * 3 / 3
    small = find.answerer.prepare(*seen[:1], str(path), seen.size)
    whole = find.answerer.prepare(read_rgb(path, ''), str(path))
    for name in ('ori_shape', 'scale_factor') if kind == 'vlm' else ('ori_shape',):
        assert small.sample.get(name) == pytest.approx(whole.sample.get(name))
    if kind == 'vlm':
        assert small.image.shape == whole.image.shape
    side = small.image.shape[-2:]
    less, more = (
        cv2.resize(each.image.permute(1, 2, 0).numpy(), side[::-1], interpolation=cv2.INTER_AREA)
        for each in (small, whole)
    )
    assert np.abs(less.astype(float) - more).mean() < 6


def test_a_file_is_answered_as_its_pixels_are(matcher, large):
    path, size = large
    duck = matcher.remember([(ROOT / 'data/realset/images/duck_toy_00000.jpg', (126, 106, 373, 354))])
    by_path, by_pixels = matcher([path, read_rgb(path, '')], duck)
    assert by_path.size == by_pixels.size == size
    assert by_path.box == pytest.approx(by_pixels.box, abs=size[0] / 20)
    assert by_path.score == pytest.approx(by_pixels.score, abs=0.02)


def test_all_pixels_are_read_where_the_model_may_see_them(vlm):
    assert vlm.answerer.is_enough((640, 480), (320, 240))
    assert not vlm.answerer.is_enough((64, 48), (32, 24))
    assert not vlm.answerer.is_enough((5000, 40), (625, 5))
    config = Config(vlm.cfg.to_dict())
    config.inference_pipeline.insert(1, dict(type='ForEachFrame', transforms=[]))
    assert InContextInferencer(config, device='cpu').answerer.is_enough is None
