"""A step holds the same episodes on any number of processes, or the run does not start."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from focus_mmdet.engine.effective_batch import batches_per_step
from focus_mmdet.engine.launch import check_effective_batch
from focus_mmdet.errors import InputError
from tests.engine.processes import two_processes  # noqa: F401  registers NoteSteps
from tests.engine.test_training import LORA, SGD, trained_weights
from tests.forked_run import finish, last_words, start


@pytest.mark.parametrize(
    ('batch_size', 'processes', 'batches'), [(1, 8, 8), (1, 4, 16), (2, 4, 8), (64, 1, 1), (1, 64, 1)]
)
def test_accumulation_follows(batch_size, processes, batches):
    assert batches_per_step(64, batch_size, processes) == batches


@pytest.mark.parametrize(
    ('effective', 'batch_size', 'processes', 'told'),
    [
        (64, 3, 8, 'batch_size=3 x 8 processes: set train_dataloader.batch_size to 1, 2, 4 or 8'),
        (64, 128, 1, 'to 1, 2, 4, 8, 16, 32 or 64, or train_cfg.effective_batch to a multiple of 128'),
        (12, 1, 8, 'start 1, 2, 3, 4, 6 or 12 processes, .* such as 16'),
        (0, 1, 1, 'effective_batch=0'),
        ('64', 1, 1, "effective_batch='64'"),
    ],
)
def test_what_cannot_be_met_is_named_with_what_would_do(effective, batch_size, processes, told):
    with pytest.raises(InputError, match=told):
        batches_per_step(effective, batch_size, processes)


def test_a_launch_is_refused_before_anything_is_built(make_config, monkeypatch):
    config = make_config(1, 'refused', **{'train_cfg.effective_batch': 12, 'launcher': 'slurm'})
    monkeypatch.setenv('SLURM_NTASKS', '6')
    check_effective_batch(config)
    monkeypatch.setenv('SLURM_NTASKS', '8')
    with pytest.raises(InputError, match='8 processes'):
        check_effective_batch(config)
    config.update(launcher='none')
    config.optim_wrapper.accumulative_counts = 4
    with pytest.raises(InputError, match=r'leave .*accumulative_counts=4 out'):
        check_effective_batch(config)


def test_steps_of_equal_size_need_a_sampler_without_an_end(make_config):
    options = {'train_cfg.effective_batch': 4, 'train_dataloader.sampler.type': 'DefaultSampler'}
    with pytest.raises(InputError, match="sampler=dict\\(type='InfiniteSampler'"):
        Runner.from_cfg(make_config(1, 'finite', **options)).train()


class Count(Hook):
    """How often hooks are called, and the episodes that they are given."""

    def __init__(self):
        self.begun, self.episodes = 0, []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.begun += 1

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.episodes.append(len(data_batch['data_samples']))


@pytest.mark.parametrize('stage', [1, 2])
def test_iterations_are_steps(make_config, monkeypatch, stage):
    scaled = {'auto_scale_lr': dict(enable=True, base_batch_size=3)}
    options = {'train_cfg.max_iters': 2, 'train_cfg.effective_batch': 6, **scaled}
    config = make_config(stage, 'steps', **options, **{'optim_wrapper.optimizer.lr': 1e-4})
    config.param_scheduler = []
    runner, counted, rates, said = Runner.from_cfg(config), Count(), [], []
    take = OptimWrapper.step
    monkeypatch.setattr('focus_mmdet.engine.loops.passes.print_log', lambda text, *_: said.append(text))

    def step(wrapper):
        rates.append(wrapper.optimizer.param_groups[0]['lr'])
        take(wrapper)

    monkeypatch.setattr(OptimWrapper, 'step', step)
    runner.register_hook(counted)
    runner.train()
    assert (counted.begun, counted.episodes) == (2, [6, 6])
    assert rates == [pytest.approx(2e-4)] * 2, 'twice the batch that the rate is for'
    assert said[0].startswith('2 iterations of 6 episodes (processes 1 x batch size 2 x batches 3):\n  data/')
    assert said[0].endswith('12 of 12, 0.2 passes')
    assert [path.name for path in Path(config.work_dir).glob('*.pth')] == ['iter_2.pth']


def test_prompts_of_several_batches_are_learned_from_as_one(make_config):
    """Also where the loss and the advantages look at all of them, and updates follow each other."""
    options = {
        'model.bbox_head.lora': LORA,
        'optim_wrapper.optimizer': SGD,
        'train_cfg.effective_batch': 4,
        'train_cfg.max_iters': 1,
        'train_cfg.num_iterations': 2,
        'train_cfg.max_completion_length': 12,
        'default_hooks.checkpoint.interval': 1,
        'train_cfg.loss_type': 'dapo',
        'train_cfg.scale_rewards': 'batch',
        'train_cfg.rewards': [dict(type='TextReward')],
    }
    weights = []
    for size in (4, 1):
        config = make_config(2, f'by-{size}', **options, **{'train_dataloader.batch_size': size})
        config.param_scheduler = []
        Runner.from_cfg(config).train()
        weights.append(trained_weights(config.work_dir, 1))
    assert max(float(weight.abs().max()) for name, weight in weights[0].items() if 'lora_B' in name) > 1e-4
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('stage', [1, 2])
def test_two_processes_take_the_steps_of_one_which_goes_on_from_them(write_config, tmp_path, stage):
    options = {
        'optim_wrapper.optimizer': SGD,
        'param_scheduler': [],
        'train_dataloader.batch_size': 1,
        'train_cfg.effective_batch': 4,
        'default_hooks.checkpoint.interval': 1,
    }
    if stage == 2:
        options['train_cfg.max_completion_length'] = 12

    def train(name, processes, max_iters, *more):
        config = write_config(stage, max_iters, [dict(type='NoteSteps')], **options)
        runs = start([config, '--work-dir', str(tmp_path / name), *more], tmp_path / f'{name}.log', processes)
        assert finish(runs) == [0] * processes, last_words(tmp_path / f'{name}.log')

    train('one', 1, 2)
    train('two', 2, 1)
    train('two', 1, 2, '--resume')

    def steps(name):
        lines = [line for file in (tmp_path / name).glob('steps.*') for line in file.read_text().splitlines()]
        records = [json.loads(line) for line in lines]
        return {step: sorted(each for at, ids in records for each in ids if at == step) for step in (1, 2)}

    assert steps('one') == steps('two')
    assert [len(episodes) for episodes in steps('one').values()] == [4, 4]
    one, two = ([trained_weights(str(tmp_path / name), step) for step in (1, 2)] for name in ('one', 'two'))
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-6)
    assert max(float((one[1][name] - weight).abs().max()) for name, weight in one[0].items()) > 1e-4
