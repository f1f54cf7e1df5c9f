"""The average of checkpoints is that of their weights, and what is not of one model is refused."""

import sys

import pytest
import torch

from focus_mmdet.engine.checkpoints.loading import load_local_checkpoint
from focus_mmdet.errors import InputError
from tools.model_converters import average as tool


@pytest.fixture
def average(monkeypatch, tmp_path):
    """Runs the tool on checkpoints of some weights each; gives the file that it writes."""

    def run(*checkpoints):
        paths = [str(tmp_path / f'{number}.pth') for number in range(len(checkpoints))]
        for path, weights in zip(paths, checkpoints, strict=True):
            torch.save({'state_dict': weights, 'meta': {}, 'optimizer': {}}, path)
        out = tmp_path / 'mean.pth'
        monkeypatch.setattr(sys, 'argv', ['average.py', *paths, '--out', str(out)])
        tool.main()
        return out

    return run


def test_weights_are_averaged_one_by_one_in_their_own_types(average):
    torch.manual_seed(0)
    checkpoints = [{'a': torch.randn(3, 2), 'b': torch.randn(4).half()} for _ in range(3)]
    mean = load_local_checkpoint(str(average(*checkpoints)))['state_dict']
    for name, rounding in (('a', 1e-6), ('b', 1e-3)):
        expected = torch.stack([weights[name].float() for weights in checkpoints]).mean(0)
        assert mean[name].dtype == checkpoints[0][name].dtype
        assert torch.allclose(mean[name].float(), expected, atol=rounding)


@pytest.mark.parametrize(
    ('other', 'message'),
    [
        ({'a': torch.zeros(3, 3)}, r'1.pth: a is \(3, 3\), in \S*0.pth \(3, 2\)'),
        ({'a': torch.zeros(3, 2), 'c': torch.zeros(1)}, '1.pth: another model than .*: c is in one of them'),
        ({'a.lora_A.weight': torch.zeros(3, 2)}, '1.pth: a.lora_A.weight is a factor of an adapter'),
        ({}, '1.pth: not a checkpoint'),
        ({'a': torch.full((3, 2), torch.nan)}, '1.pth: a is not finite'),
    ],
)
def test_another_model_is_refused_and_nothing_written(average, tmp_path, other, message):
    with pytest.raises(InputError, match=message):
        average({'a': torch.zeros(3, 2)}, other)
    assert not (tmp_path / 'mean.pth').exists()


def test_no_file_is_replaced(average, tmp_path):
    (tmp_path / 'mean.pth').write_bytes(b'mine')
    with pytest.raises(InputError, match=r'mean\.pth: exists; choose another file'):
        average({'a': torch.zeros(1)}, {'a': torch.ones(1)})
    assert (tmp_path / 'mean.pth').read_bytes() == b'mine'


def test_one_checkpoint_is_no_average(average):
    with pytest.raises(InputError, match='name two or more'):
        average({'a': torch.zeros(1)})
