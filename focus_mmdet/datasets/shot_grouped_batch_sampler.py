"""Batches of episodes that are about equally long."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from mmdet.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, Sampler


@DATA_SAMPLERS.register_module()
class ShotGroupedBatchSampler(BatchSampler):
    """Put episodes with the same number of shots into one batch.

    A prompt's length is its shots times an image's budget, so batches that mix
    shots are mostly padding. Order within the sampler's is kept per group.

    Used as ``batch_sampler=dict(type='ShotGroupedBatchSampler')`` of a dataloader.

    Args:
        sampler: Gives dataset indices.
        batch_size: Episodes per batch.
        drop_last: Leave incomplete batches out at the end of the sampler.
    """

    def __init__(self, sampler: Sampler, batch_size: int, drop_last: bool = False) -> None:
        super().__init__(sampler, batch_size, drop_last)
        self.dataset: Any = sampler.dataset  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[list[int]]:
        waiting: dict[int, list[int]] = defaultdict(list)
        for index in self.sampler:
            batch = waiting[self.dataset.get_data_info(index)['shots']]
            batch.append(index)
            if len(batch) == self.batch_size:
                yield list(batch)
                batch.clear()
        if not self.drop_last:
            yield from ([*batch] for batch in waiting.values() if batch)
