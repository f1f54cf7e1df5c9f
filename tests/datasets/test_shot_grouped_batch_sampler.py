from itertools import islice

import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler

from focus_mmdet.datasets import ShotGroupedBatchSampler
from focus_mmdet.errors import InputError


class Episodes:
    shots = torch.randint(1, 4, (50,), generator=torch.Generator().manual_seed(0)).tolist()

    def __len__(self):
        return len(self.shots)

    def get_data_info(self, index):
        return {'shots': self.shots[index]}


def test_batches_are_of_equal_shots_and_no_episode_is_forgotten():
    batches = list(islice(ShotGroupedBatchSampler(InfiniteSampler(Episodes(), seed=0), 4), 60))
    assert all(len(batch) == 4 for batch in batches)
    assert all(len({Episodes.shots[index] for index in batch}) == 1 for batch in batches)
    seen = [index for batch in batches for index in batch]
    assert set(seen) == set(range(50))
    assert max(map(seen.count, set(seen))) - min(map(seen.count, set(seen))) <= 2


def test_finite_samplers_are_refused():
    with pytest.raises(InputError, match='InfiniteSampler'):
        ShotGroupedBatchSampler(DefaultSampler(Episodes()), 4)
