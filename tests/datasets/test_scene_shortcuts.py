"""Neither size, place nor pixels of a drawn scene tell which of its objects is meant."""

import numpy as np
import pytest
import torch

from focus_mmdet.core.boxes import paired_iou
from tests.conftest import ROOT
from tests.datasets.test_transforms import sprites


def boxes(episode):
    sample = episode['data_samples']
    return np.array([sample.instances[0]['bbox'], *sample.distractors])


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def touches(first, second):
    return bool((np.minimum(first[2:], second[2:]) > np.maximum(first[:2], second[:2])).all())


def most_prominent(found):
    """The largest that neither covers nor is covered: in 64 % the target, were it always placed first."""
    alone = [
        not any(touches(box, other) for other in np.delete(found, place, 0))
        for place, box in enumerate(found)
    ]
    return max(range(len(found)), key=lambda place: (alone[place], area(found[place])))


@pytest.mark.parametrize('distractors', [1, 3])
def test_the_target_is_no_larger_and_no_freer_than_others(distractors):
    dataset = sprites(shots=0, look_alikes=0, distractors=distractors, size=(64, 64), length=400)
    right = np.mean([most_prominent(boxes(episode)) == 0 for episode in dataset])
    chance = 1 / (1 + distractors)
    assert abs(right - chance) < 3 * (chance * (1 - chance) / 400) ** 0.5


def test_any_object_may_be_asked_for():
    options = dict(shots=1, look_alikes=1, same_colours=1, distractors=1, size=(64, 64), length=80)
    every = [sprites(target=target, **options) for target in range(4)]
    for index, episode in enumerate(sprites(target='any', **options)):
        asked = [boxes(dataset[index])[0].tolist() for dataset in every]
        place = asked.index(boxes(episode)[0].tolist())
        support = every[place][index]['data_samples'].supports[0]
        assert episode['data_samples'].supports[0].instances == support.instances
    records = sprites(target='any', **{**options, 'length': 400})
    targets = [records.get_data_info(index)['target'] for index in range(400)]
    assert np.bincount(targets, minlength=4).min() > 60


def test_no_two_folders_share_layouts():
    folders = [
        sprites(shots=0, look_alikes=0, length=40, data_root=str(ROOT / f'data/sprites/{split}'))
        for split in ('train', 'test')
    ]
    first, second = (torch.tensor(np.array([boxes(episode)[0] for episode in folder])) for folder in folders)
    assert paired_iou(first, second).mean() < 0.3


def test_no_support_pixel_tells_whether_the_query_lacks_the_object():
    dataset = sprites(shots=1, negatives=0.5, length=300, size=(64, 64))
    absent = np.array([not episode['data_samples'].instances for episode in dataset])
    corners = np.array([episode['inputs'][0][:, 0, 0].numpy() for episode in dataset])
    for channel in corners.T:
        pairs = np.sign(channel[absent][:, None].astype(int) - channel[~absent])
        assert abs(pairs.mean()) < 0.2  # twice the area under the ROC curve, less one


@pytest.mark.parametrize(
    ('target', 'alike'),
    [(0, [True, True, False]), (1, [True, False, False]), (2, [True, False, False]), (3, [False] * 3)],
)
def test_look_alikes_are_those_of_the_target(target, alike):
    """Objects: a drawing, the same in other colours, another in its colours, one more."""
    episode = sprites(shots=1, look_alikes=1, same_colours=1, distractors=1, target=target, size=(96, 96))[0]
    assert episode['data_samples'].look_alikes == alike
