"""Sharded over two processes, a run is what it is under DDP."""

import json
from pathlib import Path

import pytest
import torch

from focus_mmdet.engine.checkpoint_loading import load_local_checkpoint
from tests.engine.forked_run import finish, start
from tests.engine.test_training import LORA, SGD, assert_equal_weights, trained_weights

SHARDED = {'model_wrapper_cfg': dict(type='FullyShardedModel')}
KEEP = {'model_wrapper_cfg': dict(type='FullyShardedModel', reshard_after_forward=False)}
ADAPTERS = {
    'model.bbox_head.lora': LORA,
    'model.bbox_head.freeze_vision': True,
    'model.bbox_head.gradient_checkpointing': True,
}
HALF = {**ADAPTERS, 'model.bbox_head.dtype': 'bfloat16'}
PENALIZED = {'optim_wrapper.optimizer': SGD, 'train_cfg.beta': 0.1, 'param_scheduler': []}


@pytest.fixture
def train(write_config, tmp_path):
    def run(name: str, stage: int, max_iters: int, *more: str, **options) -> Path:
        config = write_config(stage, max_iters, **options)
        log = tmp_path / f'{name}.log'
        runs = start([config, '--work-dir', str(tmp_path / name), *more], log, processes=2)
        assert finish(runs) == [0, 0], Path(f'{log}.0').read_text()[-3000:]
        return tmp_path / name

    return run


def last_log(folder: Path) -> dict:
    return json.loads(next(folder.rglob('scalars.json')).read_text().splitlines()[-1])


@pytest.mark.parametrize(
    ('stage', 'wrapper', 'options'),
    [(1, SHARDED, {}), (1, KEEP, HALF), (2, SHARDED, {**ADAPTERS, **PENALIZED})],
    ids=['stage1', 'stage1-lora-kept', 'stage2-lora'],
)
def test_sharding_changes_nothing(train, stage, wrapper, options):
    whole, sharded = train('ddp', stage, 3, **options), train('sharded', stage, 3, **options, **wrapper)
    first, second = (load_local_checkpoint(f'{folder}/iter_3.pth') for folder in (whole, sharded))
    assert first['state_dict'].keys() == second['state_dict'].keys()
    torch.testing.assert_close(second['state_dict'], first['state_dict'], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        second['optimizer']['state'], first['optimizer']['state'], rtol=1e-3, atol=1e-6
    )
    logs = [last_log(folder) for folder in (whole, sharded)]
    same = {1: ['loss_lm', 'loss_attention', 'attention_mass'], 2: ['loss_policy', 'kl', 'reward']}[stage]
    for name in [*same, 'grad_norm']:
        assert logs[1][name] == pytest.approx(logs[0][name], rel=1e-3, abs=1e-6), name
    assert stage == 1 or logs[0]['kl'] > 1e-7


@pytest.mark.parametrize(('stage', 'options'), [(1, ADAPTERS), (2, PENALIZED)])
def test_a_sharded_run_resumes_to_the_same_weights(train, stage, options):
    whole = train('whole', stage, 4, **options, **SHARDED)
    train('half', stage, 2, **options, **SHARDED)
    resumed = train('half', stage, 4, '--resume', **options, **SHARDED)
    assert_equal_weights(trained_weights(str(whole), 4), trained_weights(str(resumed), 4))


def test_ddp_goes_on_from_a_sharded_checkpoint(train):
    whole = train('whole', 1, 4)
    train('half', 1, 2, **SHARDED)
    resumed = train('half', 1, 4, '--resume')
    first, second = trained_weights(str(whole), 4), trained_weights(str(resumed), 4)
    torch.testing.assert_close(second, first, rtol=1e-4, atol=1e-6)
