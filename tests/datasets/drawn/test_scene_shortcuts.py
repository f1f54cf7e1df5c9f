"""Neither size, place nor pixels of a drawn scene tell which of its objects is meant."""

import numpy as np
import pytest
import torch
from PIL import Image

from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.datasets.drawn.scenes import compose_scene
from tests.conftest import ROOT
from tests.datasets.test_transforms import sprites


def boxes(episode):
    sample = episode['data_samples']
    return np.array([sample.instances[0]['bbox'], *sample.distractors])


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def test_the_target_is_no_larger_than_others():
    """What is placed later has less room."""
    options = dict(shots=0, look_alikes=0, distractors=3, size=(64, 64), scale=(0.3, 0.6), length=400)
    areas = [[area(box) for box in boxes(episode)] for episode in sprites(**options)]
    assert abs(np.mean(np.argmax(areas, 1) == 0) - 0.25) < 0.065  # three standard errors


def test_the_target_lies_under_others_no_more_often_than_above():
    squares = [Image.new('RGBA', (20, 20), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    above = []
    for seed in range(300):
        scene, (first, second) = compose_scene(np.random.default_rng(seed), squares, (64, 64), (0.5, 0.5))
        low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
        if (high - low > 3).all():
            x, y = (low + high) // 2
            above.append(scene[y, x, 0] > scene[y, x, 2])
    assert len(above) > 50
    assert abs(np.mean(above) - 0.5) < 0.2


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
