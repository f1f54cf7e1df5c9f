"""Batches of episodes that are about equally long."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from mmdet.registry import DATA_SAMPLERS
from mmengine.dataset import InfiniteSampler
from torch.utils.data import BatchSampler

from focus_mmdet.errors import InputError


@DATA_SAMPLERS.register_module()
class ShotGroupedBatchSampler(BatchSampler):
    """Put episodes with the same number of shots into one batch.

    A prompt's length is its shots times an image's budget, so batches that mix
    shots are mostly padding.

    Used as ``batch_sampler=dict(type='ShotGroupedBatchSampler')`` of a training
    dataloader.

    Args:
        sampler: An ``InfiniteSampler``: with a finite one, ranks could end up
            with different numbers of batches.
        batch_size: Episodes per batch.

    Raises:
        InputError: Another kind of sampler.
    """

    def __init__(self, sampler: InfiniteSampler, batch_size: int) -> None:
        if not isinstance(sampler, InfiniteSampler):
            raise InputError("ShotGroupedBatchSampler needs sampler=dict(type='InfiniteSampler')")
        super().__init__(sampler, batch_size, drop_last=True)
        self.dataset: Any = sampler.dataset
        #: Kept between iterators, as an ``InfiniteSampler`` keeps its place.
        self._waiting: dict[int, list[int]] = defaultdict(list)

    def __iter__(self) -> Iterator[list[int]]:
        for index in self.sampler:
            batch = self._waiting[self.dataset.get_data_info(index)['shots']]
            batch.append(index)
            if len(batch) == self.batch_size:
                full = list(batch)
                batch.clear()
                yield full
