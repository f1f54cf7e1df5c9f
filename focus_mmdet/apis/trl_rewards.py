"""Rewards as ``trl.GRPOTrainer`` calls them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from focus_mmdet.core.prompt import parse_answer
from focus_mmdet.engine.rewards import Answers, FormatReward, IoUReward, Reward, give_rewards


def trl_reward(reward: Reward, may_be_absent: bool = False) -> Callable[..., list[float]]:
    """A reward as one of TRL's ``reward_funcs``.

    Its weight goes into ``GRPOConfig.reward_weights``. The data set needs the
    columns ``target``, the true box (x1, y1, x2, y2) in the coordinates of the
    model's text, zeros where the query lacks the object; ``cells``, the largest
    x and y of an answer, to which boxes are clipped; and ``episode``, a number
    for messages. ``EpisodeBatch`` holds the first two.

    Args:
        reward: Any registered one.
        may_be_absent: Queries may lack the object.

    Returns:
        ``function(completions, target, cells, episode, **other_columns)``: one
        number for each of N conversational completions. TRL logs it by the
        reward's name.
    """
    read = partial(parse_answer, may_be_absent=may_be_absent)

    def function(
        completions: Sequence[Sequence[dict[str, Any]]],
        target: Sequence[Sequence[float]],
        cells: Sequence[Sequence[int]],
        episode: Sequence[int],
        **_: Any,
    ) -> list[float]:
        texts = [str(completion[-1]['content']) for completion in completions]
        answers = Answers.read(
            texts, torch.tensor(target, dtype=torch.float32), list(episode), read, torch.tensor(cells)
        )
        values: list[float] = give_rewards([reward], answers)[1][reward.name].tolist()
        return values

    function.__name__ = reward.name
    return function


#: The paper's rewards, with weights 1 and 0.5.
iou_reward = trl_reward(IoUReward())
format_reward = trl_reward(FormatReward())
