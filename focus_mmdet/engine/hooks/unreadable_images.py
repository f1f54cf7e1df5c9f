"""Say at the end which images could not be read."""

import logging
from collections.abc import Iterator
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from focus_mmdet.datasets import EpisodeDataset


@HOOKS.register_module()
class UnreadableImagesHook(Hook):
    """At the end, or when stopped, list what ``EpisodeDataset.max_unreadable`` let pass on all ranks."""

    def after_train(self, runner: Runner) -> None:
        datasets = _episode_datasets(runner.train_dataloader.dataset)
        own = [path for dataset in datasets for path in dataset.unreadable.files()]
        files = sorted({path for rank in all_gather_object(own) for path in rank})
        if files:
            listed = '\n  '.join(files)
            print_log(
                f'{len(files)} images could not be read, and others took their place:\n  {listed}',
                'current',
                logging.WARNING,
            )


def _episode_datasets(dataset: Any) -> Iterator[EpisodeDataset]:
    """Every EpisodeDataset inside MMEngine's wrappers."""
    if isinstance(dataset, EpisodeDataset):
        yield dataset
    for inner in [getattr(dataset, 'dataset', None), *getattr(dataset, 'datasets', [])]:
        if inner is not None:
            yield from _episode_datasets(inner)
