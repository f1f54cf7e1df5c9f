from types import SimpleNamespace

import pytest
from mmengine.dataset import InfiniteSampler
from torch.utils.data import ConcatDataset

from focus_mmdet.datasets import WeightedDatasetSampler
from focus_mmdet.engine.loops.passes import describe_passes


class Listed(list):
    def __init__(self, name, size):
        super().__init__(range(size))
        self.ann_file = name


class Twice(SimpleNamespace):
    """As MMEngine's RepeatDataset."""

    def __len__(self):
        return 2 * len(self.dataset)


TAO, GOT = Listed('data/tao/train.json', 500), Listed('data/got10k/train.json', 9000)


@pytest.mark.parametrize(
    ('sampler', 'lines'),
    [
        (InfiniteSampler(TAO), ['data/tao/train.json: 500 episodes, 6000 of 6000, 12.0 passes']),
        (
            InfiniteSampler(ConcatDataset([Twice(dataset=TAO), GOT])),
            [
                'data/tao/train.json: 500 episodes, 600 of 6000, 1.2 passes',
                'data/got10k/train.json: 9000 episodes, 5400 of 6000, 0.6 passes',
            ],
        ),
        (
            WeightedDatasetSampler(ConcatDataset([TAO, GOT]), dict(tao=3, got=1)),
            [
                'tao (data/tao/train.json): 500 episodes, weight 0.75, 4500 of 6000, 9.0 passes',
                'got (data/got10k/train.json): 9000 episodes, weight 0.25, 1500 of 6000, 0.2 passes',
            ],
        ),
    ],
    ids=['one', 'joined', 'weighed'],
)
def test_each_dataset_has_a_line(sampler, lines):
    assert describe_passes(sampler, 6000) == lines
