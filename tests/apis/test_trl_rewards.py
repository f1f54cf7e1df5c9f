"""Rewards in TRL's signature are those of GRPOTrainLoop."""

import pytest
import torch

from focus_mmdet.apis import format_reward, iou_reward, trl_reward
from focus_mmdet.engine.rewards import FormatReward, IoUReward, Reward
from focus_mmdet.errors import InputError


def call(function, texts, targets, cells=(1000, 1000)):
    """As TRL calls it: with every column of the data set, and more."""
    return function(
        prompts=[[{'role': 'user', 'content': 'Where?'}]] * len(texts),
        completions=[[{'role': 'assistant', 'content': text}] for text in texts],
        completion_ids=[[1]] * len(texts),
        target=targets,
        cells=[list(cells)] * len(texts),
        episode=list(range(len(texts))),
        images=None,
        trainer_state=None,
    )


def test_boxes_are_clipped_and_form_is_judged():
    texts = ['<answer>[0, 0, 40, 20]</answer>', 'at [0, 0, 80, 20]', '<answer>[20, 0, 60, 20]</answer>', 'no']
    targets = [[0.0, 0.0, 40.0, 20.0]] * 4
    assert call(iou_reward, texts, targets, cells=(40, 40)) == pytest.approx([1, 1, 0.5, 0])
    assert call(format_reward, texts, targets) == [1, 0, 1, 0]
    assert (iou_reward.__name__, format_reward.__name__) == ('iou', 'format'), 'what TRL logs them by'


def test_any_reward_of_a_model_that_may_reject():
    texts, targets = ['<answer>none</answer>'] * 2, [[0.0] * 4, [0.0, 0.0, 40.0, 20.0]]
    squared = IoUReward(power=2, name='squared', weight=0.3)
    assert call(trl_reward(squared, may_be_absent=True), texts, targets) == [1, 0]
    assert call(trl_reward(FormatReward(), may_be_absent=True), texts, targets) == [1, 1]
    assert call(format_reward, texts, targets) == [0, 0]


def test_what_is_not_finite_is_named():
    class Broken(Reward):
        name = 'broken'

        def __call__(self, answers):
            return torch.tensor([0.0, float('nan')])

    with pytest.raises(InputError, match='Broken returned nan for episode 1'):
        call(trl_reward(Broken()), ['a', 'b'], [[0.0, 0.0, 1.0, 1.0]] * 2)
