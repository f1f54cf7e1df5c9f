import torch
from mmdet.registry import DATASETS

from focus_mmdet.datasets.drawn.probes import RemoveSupports
from tests.datasets.test_transforms import sprites


def test_supports_come_from_half_the_dataset_away_and_the_query_stays():
    plain = sprites(shots=1)
    shuffled = DATASETS.build(dict(type='ShuffledSupports', dataset=plain))
    assert len(shuffled) == len(plain)
    for index in range(len(plain)):
        episode, own, other = shuffled[index], plain[index], plain[(index + 2) % len(plain)]
        assert torch.equal(episode['inputs'][0], other['inputs'][0])
        assert torch.equal(episode['inputs'][1], own['inputs'][1])
        boxes = [each['data_samples'].supports[0].gt_instances.bboxes for each in (episode, other)]
        assert torch.equal(*boxes)
        assert episode['data_samples'].instances == own['data_samples'].instances


def test_supports_can_be_removed():
    assert RemoveSupports().transform({'img_id': 3, 'supports': [1, 2]}) == {'img_id': 3, 'supports': []}
