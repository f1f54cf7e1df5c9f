"""Rewards against loops over boxes, and what a wrong one is told."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet.registry import TASK_UTILS

from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.core.prompt import format_answer
from focus_mmdet.engine.rewards import Answers, Reward, build_rewards, give_rewards
from focus_mmdet.errors import InputError
from focus_mmdet.mmcv_ops import has_compiled_ops

boxes = st.tuples(*[st.integers(0, 900)] * 2, *[st.integers(1, 99)] * 2).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)


def iou_and_giou(first, second):
    """By counting areas, one pair at a time."""
    width = max(0, min(first[2], second[2]) - max(first[0], second[0]))
    height = max(0, min(first[3], second[3]) - max(first[1], second[1]))
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    union = sum(area) - width * height
    hull = (max(first[2], second[2]) - min(first[0], second[0])) * (
        max(first[3], second[3]) - min(first[1], second[1])
    )
    iou = width * height / union
    return iou, iou - (hull - union) / hull


@given(st.lists(st.tuples(boxes, boxes, st.sampled_from(['box', 'chat', 'junk'])), min_size=1, max_size=6))
def test_every_reward_equals_a_loop_over_boxes(cases):
    texts = {'box': '{}', 'chat': 'Here: {}.', 'junk': 'no idea'}
    answers = Answers.read(
        [texts[kind].format(format_answer(box)) for box, _, kind in cases],
        torch.tensor([target for _, target, _ in cases], dtype=torch.float32),
        list(range(len(cases))),
    )
    rewards = build_rewards(
        [
            dict(type='IoUReward'),
            dict(type='IoUReward', power=2, name='squared', weight=0.3),
            dict(type='GIoUReward', weight=2.0),
            dict(type='IoUThresholdReward', thresholds=(0.3, 0.6)),
            dict(type='FormatReward', weight=0.5),
        ]
    )
    total, each = give_rewards(rewards, answers)
    for index, (box, target, kind) in enumerate(cases):
        iou, giou = iou_and_giou(box, target) if kind != 'junk' else (0.0, -1.0)
        expected = {
            'iou': iou,
            'squared': iou**2,
            'giou': (1 + giou) / 2,
            'iou_threshold': ((iou >= 0.3) + (iou >= 0.6)) / 2,
            'format': float(kind == 'box'),
        }
        for name, value in expected.items():
            assert each[name][index].item() == pytest.approx(value, abs=1e-5), name
        weights = {'iou': 1.0, 'squared': 0.3, 'giou': 2.0, 'iou_threshold': 1.0, 'format': 0.5}
        whole = sum(weights[name] * value for name, value in expected.items())
        assert total[index].item() == pytest.approx(whole, abs=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_rewards_stay_on_the_gpu_and_mmcvs_kernel_agrees():
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(0, 900, (64, 2, 2), generator=generator)
    sizes = torch.randint(1, 99, (64, 2, 2), generator=generator)
    first, second = (torch.cat([corners[:, i], corners[:, i] + sizes[:, i]], 1) for i in range(2))
    answers = Answers.read(
        [format_answer(box) for box in first.tolist()], second.float().cuda(), list(range(64))
    )
    total, _ = give_rewards(build_rewards([dict(type='IoUReward'), dict(type='GIoUReward')]), answers)
    assert total.is_cuda
    torch.testing.assert_close(answers.iou.cpu(), paired_iou(first, second))
    if not has_compiled_ops():
        pytest.skip('mmcv-lite: only the torch path was compared')


def answers():
    return Answers.read(['<answer>[1, 2, 3, 4]</answer>', 'no'], torch.rand(2, 4), [11, 12])


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (torch.tensor([0.0, math.nan]), r"BrokenReward returned nan for episode 12, answer 'no'"),
        (torch.tensor([math.inf, 0.0]), 'returned inf for episode 11'),
        (torch.zeros(2, 1), r'shape \(2, 1\) for 2 answers'),
        (torch.zeros(3), r'shape \(3,\)'),
        (torch.tensor(0.5), r'shape \(\)'),
        (None, 'returned NoneType: return a tensor'),
        ([0.0, 1.0], 'returned list: return a tensor'),
    ],
)
def test_a_broken_reward_is_named(value, message):
    class BrokenReward(Reward):
        name = 'broken'

        def __call__(self, answers):
            return value

    with pytest.raises(InputError, match=message):
        give_rewards([BrokenReward()], answers())


def test_a_reward_that_fails_says_which_it_is():
    class FailingReward(Reward):
        def __call__(self, answers):
            return answers.nothing

    with pytest.raises(AttributeError, match='nothing') as error:
        give_rewards([FailingReward()], answers())
    assert error.value.__notes__ == ['This is the reward FailingReward of train_cfg.rewards, on 2 answers.']


def test_a_reward_of_ones_own_is_one_registered_class():
    @TASK_UTILS.register_module(force=True)
    class LengthReward(Reward):
        name = 'length'

        def __call__(self, answers):
            return torch.tensor([float(len(text)) for text in answers.texts])

    total, each = give_rewards(build_rewards([dict(type='LengthReward', weight=2.0)]), answers())
    assert each['length'].tolist() == [29.0, 2.0]
    assert total.tolist() == [58.0, 4.0]


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (5, 'give a list'),
        ([5], 'no dict'),
        ([dict(weight=1)], 'no dict'),
        ([dict(type='')], 'no dict'),
        ([dict(type='SharedPrefillRollout')], 'SharedPrefillRollout'),
        ([dict(type='IoUThresholdReward', thresholds=0.5)], 'give a list'),
        ([dict(type='IoUThresholdReward', thresholds=[])], 'give a list'),
        ([dict(type='IoUReward', weight=math.inf)], 'weight of iou'),
        ([dict(type='IoUReward', weight=0)], 'all have weight=0'),
        ('IoUReward', 'give a list'),
    ],
)
def test_what_is_no_reward_is_named(config, message):
    with pytest.raises(InputError, match=message):
        build_rewards(config)


def test_a_reward_may_be_given_as_a_class_and_without_a_name():
    class Nameless(Reward):
        def __call__(self, answers):
            return answers.iou

    (reward,) = build_rewards([dict(type=Nameless)])
    assert reward.name == 'Nameless'
