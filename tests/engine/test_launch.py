"""What a run would stumble over later is told before it begins."""

import re

import pytest

from focus_mmdet.engine.launch import (
    check_inputs,
    check_launcher,
    check_numbers,
    check_saving,
    check_schedule,
    loader_config,
)
from focus_mmdet.errors import InputError


def test_a_launcher_that_did_not_start_the_process_is_named(monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'MASTER_PORT', 'SLURM_PROCID'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('MASTER_ADDR', '127.0.0.1')
    with pytest.raises(InputError, match=r'--launcher pytorch: .* lacks RANK, WORLD_SIZE, MASTER_PORT\.'):
        check_launcher('pytorch')
    with pytest.raises(InputError, match=r'--launcher slurm: .* SLURM_PROCID'):
        check_launcher('slurm')
    check_launcher('none')


def test_workers_that_are_none_cannot_stay(make_config):
    config = make_config(1, 'workers', **{'val_dataloader.persistent_workers': True})
    with pytest.raises(InputError, match=r'val_dataloader\.persistent_workers=False'):
        check_inputs(config, ['train_dataloader', 'val_dataloader'])
    check_inputs(config, ['train_dataloader'])


def test_a_split_that_is_not_there_is_named(make_config):
    config = make_config(1, 'splits')
    config.update(val_dataloader=None, val_cfg=None, val_evaluator=None, test_dataloader=None)
    check_inputs(config, ['train_dataloader', 'val_dataloader'])
    with pytest.raises(InputError, match='the config has no test_dataloader'):
        check_inputs(config, ['test_dataloader'])
    with pytest.raises(InputError, match='the config has no val_dataloader'):
        loader_config(config, 'val_dataloader')
    config.train_cfg = None
    with pytest.raises(InputError, match='the config has no train_cfg; it takes train_dataloader'):
        check_inputs(config, ['train_dataloader'])


@pytest.mark.parametrize(
    ('check', 'key', 'value'),
    [
        (check_saving, 'default_hooks.checkpoint.intervl', 5),
        (check_saving, 'default_hooks.chekpoint', dict(interval=5)),
        (check_schedule, 'param_scheduler.1.end', '5x'),
        (check_numbers, 'train_dataloader.num_workers', -1),
        (check_numbers, 'optim_wrapper.optimizer.lr', '1e-4x'),
        (check_numbers, 'optim_wrapper.optimizer.weight_decay', '0.01x'),
        (check_numbers, 'optim_wrapper.clip_grad.max_norm', -1),
        (check_numbers, 'auto_scale_lr.base_batch_size', -4),
        (check_numbers, 'randomness.seed', 2**32),
        (check_saving, 'default_hooks.checkpoint.interval', 'ten'),
        (check_saving, 'default_hooks.checkpoint.max_keep_ckpts', 'x'),
    ],
)
def test_a_key_that_fails_late_is_refused_early(make_config, check, key, value):
    config = make_config(1, 'late')
    check(config)
    config.merge_from_dict({key: value})
    with pytest.raises(InputError, match=re.escape(key)):
        check(config)
