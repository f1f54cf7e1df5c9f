"""What was read of a reference once is not read again, and nothing else is taken for it."""

import logging
import os

import numpy as np
import pytest
from mmengine.config import Config

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.apis.answers import kept_prefix
from focus_mmdet.models.heads.vlm_head import VLMHead
from tests.conftest import ROOT


@pytest.fixture
def config(vlm_folder):
    config = Config.fromfile(str(ROOT / 'configs/focus_tiny_stage2.py'))
    config.model.pretrained = vlm_folder()
    return config


@pytest.fixture
def reads(monkeypatch):
    """How often supports went through a model."""
    made, know = [], VLMHead.know_supports
    monkeypatch.setattr(VLMHead, 'know_supports', lambda *args: made.append(1) or know(*args))
    return made


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)


@pytest.fixture
def saved(config, picture, tmp_path):
    cup = InContextInferencer(config, device='cpu').remember([(picture, (10, 10, 50, 40))], 'cup')
    cup.save(tmp_path / 'cup.focus')
    return tmp_path / 'cup.focus'


@pytest.fixture(params=[None, 2.0])
def likeness(request, config):
    config.model.bbox_head.score_likeness = request.param


def answer(config, picture, saved, keep=True):
    find = InContextInferencer(config, device='cpu')
    (found,) = find(picture, find.recall(saved, keep=keep))
    return found.box, found.score, found.answer


@pytest.mark.usefixtures('likeness')
def test_supports_are_read_once_for_all_programs(config, picture, saved, reads):
    read = answer(config, picture, saved, keep=False)
    assert (list(saved.parent.glob('*.known')), len(reads)) == ([], 1)
    assert answer(config, picture, saved) == read
    assert len(reads) == 2
    assert answer(config, picture, saved) == read
    assert len(reads) == 2


@pytest.mark.parametrize('change', ['weights', 'supports', 'shape', 'cut', 'empty', 'flipped'])
def test_what_does_not_fit_is_made_anew(config, picture, saved, reads, change, tmp_path):
    answer(config, picture, saved)
    kept = tmp_path / 'cup.focus.known'
    if change == 'weights':
        os.utime(f'{config.model.pretrained}/model.safetensors')
    elif change == 'supports':
        find = InContextInferencer(config, device='cpu')
        find.remember([(picture, (11, 10, 50, 40))], 'cup').save(saved)
    elif change == 'shape':
        find = InContextInferencer(config, device='cpu')
        find.remember([(picture.reshape(96, 64, 3), (10, 10, 50, 40))], 'cup').save(saved)
    elif change == 'flipped':
        content = bytearray(kept.read_bytes())
        content[-len(content) // 2] ^= 4
        kept.write_bytes(content)
    else:
        kept.write_bytes(kept.read_bytes()[: 1000 if change == 'cut' else 0])
    del reads[:]
    made = answer(config, picture, saved)
    assert len(reads) == 1
    assert answer(config, picture, saved) == made
    assert len(reads) == 1


def test_a_folder_that_cannot_be_written_is_no_obstacle(config, picture, saved, monkeypatch, caplog):
    def full(self, content, path):
        raise OSError(28, 'No space left on device', str(path))

    path = 'focus_mmdet.apis.answers.kept_prefix.AtomicLocalBackend.put'
    monkeypatch.setattr(path, full)
    with caplog.at_level(logging.WARNING):
        assert answer(config, picture, saved) == answer(config, picture, saved, keep=False)
    assert not list(saved.parent.glob('*.known'))


def test_another_file_of_that_name_is_left_alone(config, picture, saved, monkeypatch):
    told, kept = [], saved.with_name('cup.focus.known')
    monkeypatch.setattr(kept_prefix, 'print_log', lambda message, *_: told.append(message))
    kept.write_text('notes of mine, longer than eight bytes')
    answer(config, picture, saved)
    assert 'cup.focus.known: not kept (another file is there)' in told[0]
    assert kept.read_text().startswith('notes of mine')


def test_a_detector_that_keeps_nothing_writes_nothing(matcher, saved):
    matcher.recall(saved, keep=True)
    assert not list(saved.parent.glob('*.known'))
