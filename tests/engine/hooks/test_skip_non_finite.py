"""A NaN costs one step, on every process, and many of them end the run."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.optim.optimizer import amp_optimizer_wrapper
from mmengine.runner import Runner

from focus_mmdet.engine.checkpoints.loading import load_local_checkpoint
from focus_mmdet.errors import InputError
from tests.engine.processes import two_processes  # noqa: F401  registers BrokenPixels
from tests.engine.test_training import assert_equal_weights, log_scalars, trained_weights
from tests.forked_run import finish, start

REWARD = {'train_cfg.rewards': [dict(type='TextReward')]}


def broken(iterations):
    return {'custom_hooks': [dict(type='BrokenPixels', iterations=iterations)]}


EVERY_ITERATION = {'default_hooks.checkpoint.interval': 1, 'default_hooks.checkpoint.max_keep_ckpts': 9}


@pytest.mark.parametrize('stage', [1, 2])
def test_one_bad_batch_costs_one_step(make_config, stage):
    reward = REWARD if stage == 2 else {}
    config = make_config(stage, 'once', **reward, **EVERY_ITERATION, **broken([2]))
    runner = Runner.from_cfg(config)
    runner.train()
    weights = [trained_weights(config.work_dir, iteration) for iteration in (1, 2, 3)]
    assert_equal_weights(weights[0], weights[1])
    assert all(weight.isfinite().all() for weight in weights[2].values())
    assert any(not torch.equal(weight, weights[1][name]) for name, weight in weights[2].items())
    assert log_scalars(runner)['train/skipped_steps'].tolist() == [0, 1, 1, 1]


def test_the_whole_accumulated_step_is_skipped(make_config):
    accumulate = {'optim_wrapper.accumulative_counts': 2}
    config = make_config(1, 'accumulated', **EVERY_ITERATION, **accumulate, **broken([1]))
    Runner.from_cfg(config).train()
    weights = [trained_weights(config.work_dir, iteration) for iteration in (1, 2, 4)]
    assert_equal_weights(weights[0], weights[1])
    assert any(not torch.equal(weight, weights[1][name]) for name, weight in weights[2].items())


@pytest.mark.parametrize('stage', [1, 2])
def test_many_in_a_row_stop_the_run_and_name_the_episodes(make_config, stage):
    options = {'default_hooks.finite.max_in_a_row': 2}
    config = make_config(stage, 'stop', **options, **broken([2, 3]))
    with pytest.raises(InputError, match=r'2 steps in a row.*non_finite\.json'):
        Runner.from_cfg(config).train()
    records = json.loads((Path(config.work_dir) / 'non_finite.json').read_text())['iterations']
    assert [record['iteration'] for record in records] == [2, 3]
    episode = records[0]['episodes'][0]
    assert Path(episode['query']).is_file()
    assert Path(episode['supports'][0]).is_file()


@pytest.fixture
def scaled(monkeypatch):
    """Options of a dynamic loss scale that begins too high, on the CPU."""
    monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available', lambda: True)
    scaler = partial(torch.amp.GradScaler, 'cpu', init_scale=2.0**127)
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', scaler)
    monkeypatch.setattr('mmengine.runner.amp.autocast', partial(torch.autocast, 'cpu'))
    options = {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.dtype': 'bfloat16'}
    return options | {'optim_wrapper.loss_scale': 'dynamic', 'default_hooks.finite.max_in_a_row': 1}


def test_a_loss_scaler_goes_on_where_it_was(make_config, scaled):
    def train(name, last, resume=False):
        config = make_config(1, name, **scaled, **{'train_cfg.max_iters': last})
        config.experiment_name += str(last)
        config.visualizer.name += str(last)
        config.update(val_cfg=None, val_dataloader=None, val_evaluator=None, resume=resume)
        if resume:
            config.load_from = f'{config.work_dir}/iter_2.pth'
        Runner.from_cfg(config).train()
        return load_local_checkpoint(f'{config.work_dir}/iter_{last}.pth')

    whole = train('whole', 6)
    half = train('half', 2)
    resumed = train('half', 6, resume=True)
    scales = [each['optimizer']['loss_scaler']['scale'] for each in (half, resumed, whole)]
    assert scales[0] > scales[1] == scales[2]
    assert_equal_weights(whole['state_dict'], resumed['state_dict'])


def test_a_loss_scaler_still_finds_its_scale(make_config, scaled):
    runner = Runner.from_cfg(make_config(1, 'amp', **scaled, **{'train_cfg.max_iters': 20}))
    runner.train()
    skipped = log_scalars(runner)['train/skipped_steps']
    assert skipped[0] == 1
    assert skipped[-1] < 20
    assert all(weight.isfinite().all() for weight in runner.model.parameters())


@pytest.mark.parametrize('stage', [1, 2])
def test_both_processes_skip_what_one_could_not_learn(write_config, tmp_path, stage):
    options = {**EVERY_ITERATION, 'default_hooks.finite.max_in_a_row': 3}
    hooks = [dict(type='BrokenPixels', iterations=[2, 3, 4], rank=1)]
    config = write_config(stage, 6, hooks, **options)
    folder = str(tmp_path / 'both')
    assert finish(start([config, '--work-dir', folder], tmp_path / 'log', 2)) == [2, 2]
    assert all('error: 3 steps in a row' in (tmp_path / f'log.{rank}').read_text() for rank in (0, 1))
    records = json.loads((tmp_path / 'both/non_finite.json').read_text())['iterations']
    assert [(record['rank'], record['iteration']) for record in records] == [
        (rank, iteration) for rank in (0, 1) for iteration in (2, 3, 4)
    ]
    assert_equal_weights(trained_weights(folder, 1), trained_weights(folder, 3))
