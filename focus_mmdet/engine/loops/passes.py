"""Say how often a run goes through each of its datasets."""

import logging
from collections.abc import Iterator
from typing import Any

from mmengine.dist import get_world_size
from mmengine.logging import print_log

from focus_mmdet.datasets import WeightedDatasetSampler


def log_passes(batch_sampler: Any, iterations: int, batches: int) -> None:
    """Log the episodes of the whole run, and each dataset's share of them.

    Args:
        batch_sampler: Of the training dataloader.
        iterations: Of the whole run.
        batches: Of every process, in an iteration.
    """
    sampler, size = getattr(batch_sampler, 'sampler', None), getattr(batch_sampler, 'batch_size', None)
    if getattr(sampler, 'dataset', None) is None or size is None:
        return
    processes = get_world_size()
    step = processes * size * batches
    head = (
        f'{iterations} iterations of {step} episodes (processes {processes} x batch size {size} x batches '
        f'{batches}):'
    )
    print_log('\n  '.join([head, *describe_passes(sampler, iterations * step)]), 'current', logging.INFO)


def describe_passes(sampler: Any, episodes: int) -> list[str]:
    """A line for each dataset.

    ``tao (data/tao/train.json): 500 episodes, weight 0.5, 24000 of 48000, 48.0 passes``: the numbers that
    are drawn are those to be expected. One episode of TAO is one of its videos.

    Args:
        sampler: Draws from its ``dataset``.
        episodes: That it draws in all.
    """
    names: list[str | None] = [None]
    datasets, shares = [sampler.dataset], [1.0]
    if isinstance(sampler, WeightedDatasetSampler):
        names, shares = list(sampler.shares), list(sampler.shares.values())
        datasets = sampler.dataset.datasets
    lines = []
    for name, dataset, share in zip(names, datasets, shares, strict=True):
        for label, size, drawn in _leaves(dataset, share * episodes):
            title, weight = (label, '') if name is None else (f'{name} ({label})', f'weight {share:.3g}, ')
            lines.append(
                f'{title}: {size} episodes, {weight}{drawn:.0f} of {episodes}, {drawn / size:.1f} passes'
            )
    return lines


def _leaves(dataset: Any, drawn: float) -> Iterator[tuple[str, int, float]]:
    """Name, size and episodes of each dataset inside MMEngine's wrappers, ``drawn`` in all."""
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if inner[0] is None:
        name = getattr(dataset, 'ann_file', '') or getattr(dataset, 'data_root', '')
        yield name or type(dataset).__name__, len(dataset), drawn
        return
    for each in inner:
        yield from _leaves(each, drawn * len(each) / sum(map(len, inner)))
