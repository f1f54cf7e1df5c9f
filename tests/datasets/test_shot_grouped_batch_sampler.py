import torch
from torch.utils.data import SequentialSampler

from focus_mmdet.datasets import ShotGroupedBatchSampler


class Episodes:
    shots = torch.randint(1, 4, (50,), generator=torch.Generator().manual_seed(0)).tolist()

    def __len__(self):
        return len(self.shots)

    def get_data_info(self, index):
        return {'shots': self.shots[index]}


def sampler():
    source = SequentialSampler(Episodes())
    source.dataset = source.data_source
    return source


def test_every_episode_comes_once_beside_its_like():
    batches = list(ShotGroupedBatchSampler(sampler(), 4))
    assert sorted(index for batch in batches for index in batch) == list(range(50))
    assert all(len({Episodes.shots[index] for index in batch}) == 1 for batch in batches)


def test_incomplete_batches_can_be_left_out():
    assert all(len(batch) == 4 for batch in ShotGroupedBatchSampler(sampler(), 4, drop_last=True))
