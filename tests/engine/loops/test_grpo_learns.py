"""GRPO end to end on a bandit: a few episodes whose reward can rise."""

import statistics

import pytest
import torch
from mmengine.runner import Runner

from focus_mmdet.core.grpo import group_advantages
from focus_mmdet.engine.loops import grpo

STEPS, SEEDS = 30, (0, 1, 2)


@pytest.fixture
def box_writer(make_config):
    """A policy that writes boxes, wherever: plain SFT, stopped early."""
    config = make_config(
        1,
        'writer',
        **{
            'train_cfg.max_iters': 150,
            'train_dataloader.batch_size': 8,
            'optim_wrapper.optimizer.lr': 3e-3,
            'default_hooks.checkpoint.interval': 150,
        },
    )
    config.custom_hooks = []
    Runner.from_cfg(config).train()
    return f'{config.work_dir}/iter_150.pth'


def rewards_of_a_run(make_config, start: str, seed: int, name: str) -> list[float]:
    config = make_config(
        2,
        f'{name}-{seed}',
        **{
            'load_from': start,
            'randomness.seed': seed,
            'train_cfg.max_iters': STEPS,
            'train_cfg.num_generations': 8,
            'train_cfg.beta': 0.0,
            'train_dataloader.batch_size': 2,
            'optim_wrapper.optimizer.lr': 5e-4,
            'default_hooks.checkpoint.interval': 1000,
        },
    )
    config.param_scheduler = []
    config.train_dataloader.dataset.indices = 4
    runner = Runner.from_cfg(config)
    runner.train()
    return list(runner.message_hub.log_scalars['train/rewards/iou/mean'].data[0])


def shuffled(rewards, *arguments):
    advantages = group_advantages(rewards, *arguments)
    order = torch.randperm(len(advantages), generator=torch.Generator().manual_seed(int(rewards.sum() * 1e6)))
    return advantages[order]


def rises(runs: list[list[float]]) -> list[float]:
    """Mean of the last third minus mean of the first, a run each."""
    third = STEPS // 3
    return [statistics.mean(run[-third:]) - statistics.mean(run[:third]) for run in runs]


def t_statistic(values: list[float]) -> float:
    return statistics.mean(values) / (statistics.stdev(values) / len(values) ** 0.5)


def test_the_reward_rises_and_not_with_shuffled_advantages(make_config, box_writer, monkeypatch):
    learned = rises([rewards_of_a_run(make_config, box_writer, seed, 'learned') for seed in SEEDS])
    monkeypatch.setattr(grpo, 'group_advantages', shuffled)
    noise = rises([rewards_of_a_run(make_config, box_writer, seed, 'shuffled') for seed in SEEDS])
    assert t_statistic(learned) > 2.92, 'one-sided 5 % at two degrees of freedom'
    assert min(learned) > max(noise)
    assert t_statistic(noise) < 2.92
