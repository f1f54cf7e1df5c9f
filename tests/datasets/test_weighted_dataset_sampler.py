from collections import Counter
from itertools import islice

import pytest
from mmengine.dataset import sampler as mmengines
from torch.utils.data import ConcatDataset

from focus_mmdet.datasets import WeightedDatasetSampler
from focus_mmdet.errors import InputError

SIZES = (10, 100, 1000)
DATASET = ConcatDataset([range(size) for size in SIZES])
WEIGHTS = dict(small=2.0, medium=1.0, large=1.0)


def drawn(count, **options):
    return list(islice(WeightedDatasetSampler(DATASET, WEIGHTS, **{'seed': 0, **options}), count))


def test_datasets_are_drawn_by_weight_and_their_episodes_equally_often():
    counts = Counter(drawn(8000))
    start = 0
    for size, share in zip(SIZES, (0.5, 0.25, 0.25), strict=True):
        own = [counts[index] for index in range(start, start + size)]
        assert sum(own) / 8000 == pytest.approx(share, abs=0.02)
        assert max(own) - min(own) <= 1
        start += size


def test_the_seed_alone_tells_the_order_whatever_the_number_of_processes(monkeypatch):
    alone = drawn(300)
    dealt = []
    for rank in range(3):
        monkeypatch.setattr(mmengines, 'get_dist_info', lambda rank=rank: (rank, 3))
        dealt.append(drawn(100))
    assert [index for turn in zip(*dealt, strict=True) for index in turn] == alone
    assert drawn(100, seed=1) != dealt[2]


@pytest.mark.parametrize(
    ('weights', 'message'),
    [
        (dict(small=1.0, medium=1.0), 'each of the 3 datasets'),
        ([1.0, 1.0, 1.0], 'give a dict'),
        (dict(small=1.0, medium=0.0, large=1.0), 'weights.medium=0.0'),
        (dict(small=1.0, medium='2', large=1.0), "weights.medium='2'"),
    ],
)
def test_weights_that_make_no_sense_are_named(weights, message):
    with pytest.raises(InputError, match=message):
        WeightedDatasetSampler(DATASET, weights)


def test_one_dataset_cannot_be_weighed():
    with pytest.raises(InputError, match='no ConcatDataset'):
        WeightedDatasetSampler(range(9), WEIGHTS)
