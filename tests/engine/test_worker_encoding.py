"""Encoding in the data workers changes nothing but the place."""

import os
import resource
from dataclasses import fields

import pytest
import torch
from mmengine.runner import Runner

from focus_mmdet.cli import read_config
from focus_mmdet.models.episode_batch import EpisodeBatch
from tests.conftest import ROOT


def loader(config, folder, **more):
    dataloader = config.train_dataloader
    dataloader.collate_fn = dict(type='encode_episodes', pretrained=folder, **more)
    dataloader.num_workers = 1
    return Runner.build_dataloader(dataloader, seed=0)


@pytest.fixture
def few_files():
    """The process and its workers may open 60 more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir('/proc/self/fd')) + 60, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize('collate', ['collate_episodes', 'encode_episodes'])
def test_batches_do_not_use_up_the_files_that_may_be_open(make_config, vlm_folder, few_files, collate):
    config = make_config(1, collate).train_dataloader
    folder = {'pretrained': vlm_folder()} if collate == 'encode_episodes' else {}
    config.update(batch_size=8, num_workers=2, timeout=30, collate_fn=dict(type=collate, **folder))
    batches = iter(Runner.build_dataloader(config, seed=0))
    held = [next(batches) for _ in range(3)]
    assert [len(batch['inputs']) for batch in held] == [8, 8, 8]


def assert_equal(first, second):
    assert first.language == second.language
    for item in fields(EpisodeBatch):
        if item.name == 'language':
            continue
        torch.testing.assert_close(getattr(first, item.name), getattr(second, item.name), rtol=0, atol=0)


def test_workers_encode_as_the_model_does(make_config, make_detector):
    detector = make_detector()
    data = next(iter(loader(make_config(1, 'encoded'), detector.pretrained)))
    plain = {key: value for key, value in data.items() if key != 'encoded'}
    expected = detector.data_preprocessor(plain)['inputs']
    assert_equal(data['encoded'], expected)
    prepared = detector.data_preprocessor(data)
    assert_equal(prepared['inputs'], expected)
    assert 'encoded' not in prepared


@pytest.mark.parametrize('key', ['pretrained', 'data_preprocessor.may_be_absent'])
def test_workers_encode_for_the_model_that_the_options_name(key):
    value = 'checkpoints/Qwen2.5-VL-7B-Instruct' if key == 'pretrained' else True
    config = read_config(str(ROOT / 'configs/focus_stage1.py'), {f'model.{key}': value})
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        assert config[name].collate_fn[key.split('.')[-1]] == value


@pytest.mark.parametrize('other', ['folder', 'may_be_absent'])
def test_what_was_encoded_for_another_model_is_encoded_again(
    make_config, make_detector, vlm_folder, monkeypatch, other
):
    said = []
    monkeypatch.setattr(
        'focus_mmdet.models.data_preprocessors.data_preprocessor.print_log',
        lambda text, *_: said.append(text),
    )
    detector = make_detector('qwen3_vl')
    folder = vlm_folder('qwen2_5_vl') if other == 'folder' else detector.pretrained
    data = next(iter(loader(make_config(1, 'other'), folder, may_be_absent=other == 'may_be_absent')))
    plain = {key: value for key, value in data.items() if key != 'encoded'}
    for _ in range(2):
        assert_equal(detector.data_preprocessor(data)['inputs'], detector.data_preprocessor(plain)['inputs'])
    assert len(said) == 1
    assert 'collate_fn.pretrained' in said[0]
