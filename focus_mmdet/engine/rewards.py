"""Rewards of stage 2: registered, weighted, batched on the policy's device.

A reward of your own is a subclass registered in ``TASK_UTILS``::

    @TASK_UTILS.register_module()
    class AreaReward(Reward):
        name = 'area'

        def __call__(self, answers):
            return ...  # (N,)

    train_cfg = dict(rewards=[dict(type='IoUReward'), dict(type='AreaReward', weight=0.1)])
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from mmcv.ops import bbox_overlaps as compiled_overlaps
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.core.prompt import Answer, parse_answer
from focus_mmdet.engine.registered import is_registered
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.mmcv_ops import has_compiled_ops


@dataclass(frozen=True)
class Answers:
    """N answers to be rewarded, in the coordinates of the model's text.

    Attributes:
        texts: As written, without special tokens.
        boxes: (N, 4) xyxy, clipped to the query image as predictions are; zeros where no box was read.
        targets: (N, 4) xyxy, not rounded; zeros where the query lacks the object.
        parsed: (N,) bool, True where a box was read.
        absent: (N,) bool, True where the answer says that the object is absent.
        well_formed: (N,) bool, True where the whole answer has the asked form.
        episodes: N episode ids, for messages.
    """

    texts: list[str]
    boxes: Tensor
    targets: Tensor
    parsed: Tensor
    absent: Tensor
    well_formed: Tensor
    episodes: list[int]

    @classmethod
    def read(
        cls,
        texts: list[str],
        targets: Tensor,
        episodes: list[int],
        read: Callable[..., Answer] = parse_answer,
        cells: Tensor | None = None,
    ) -> 'Answers':
        """Parse answers to the (N, 4) ``targets``, on their device.

        ``cells`` (N, 2) are the largest coordinates of each query image; None clips no box.
        """
        limits = [None] * len(texts) if cells is None else cells.tolist()
        answers = [read(text, cells=limit) for text, limit in zip(texts, limits, strict=True)]
        return cls(
            texts=texts,
            boxes=targets.new_tensor([answer.box or (0, 0, 0, 0) for answer in answers]),
            targets=targets,
            parsed=torch.tensor([answer.box is not None for answer in answers], device=targets.device),
            absent=torch.tensor([answer.absent for answer in answers], device=targets.device),
            well_formed=torch.tensor([answer.well_formed for answer in answers], device=targets.device),
            episodes=episodes,
        )

    def judged(self, overlap: Tensor) -> Tensor:
        """(N,) ``overlap`` where there are two boxes, 1 for a right rejection, else 0."""
        return torch.where(self.targets.any(1), overlap * self.parsed, self.absent.to(overlap))

    @cached_property
    def iou(self) -> Tensor:
        """(N,) IoU with the target, 0 where no box was read; a right rejection counts 1."""
        if self.boxes.is_cuda and has_compiled_ops():
            overlap = compiled_overlaps(self.boxes, self.targets, aligned=True)
        else:
            overlap = paired_iou(self.boxes, self.targets)
        return self.judged(overlap)


class Reward(ABC):
    """A reward; the total is the weighted sum of all.

    Args:
        weight: Its factor in the total.
        name: Under which it is logged; default: the class's.
    """

    name: str = ''

    def __init__(self, weight: float = 1.0, name: str | None = None) -> None:
        self.name = name or self.name or type(self).__name__
        check_number(f'train_cfg.rewards: weight of {self.name}', weight, low=0)
        self.weight = weight

    @abstractmethod
    def __call__(self, answers: Answers) -> Tensor:
        """(N,) rewards, finite."""


@TASK_UTILS.register_module()
class IoUReward(Reward):
    """``IoU ** power``; the paper's is power 1.

    Args:
        power: 2 rewards the last pixels more than the first ones.
        **kwargs: As of :class:`Reward`.
    """

    name = 'iou'

    def __init__(self, power: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_number('train_cfg.rewards: power of IoUReward', power, low=1e-3)
        self.power = power

    def __call__(self, answers: Answers) -> Tensor:
        return answers.iou**self.power


@TASK_UTILS.register_module()
class GIoUReward(Reward):
    """``(1 + GIoU) / 2`` in 0..1, which also tells near misses from far ones
    (arXiv 1902.09630); 0 where no box was read, 1 for a right rejection."""

    name = 'giou'

    def __call__(self, answers: Answers) -> Tensor:
        giou = bbox_overlaps(answers.boxes, answers.targets, mode='giou', is_aligned=True)
        return answers.judged((1 + giou) / 2)


@TASK_UTILS.register_module()
class IoUThresholdReward(Reward):
    """The share of thresholds that the IoU reaches.

    Args:
        thresholds: In 0..1.
        **kwargs: As of :class:`Reward`.
    """

    name = 'iou_threshold'

    def __init__(self, thresholds: Sequence[float] = (0.5,), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(thresholds, Sequence) or not thresholds:
            raise InputError(
                f'train_cfg.rewards: thresholds={thresholds!r} of IoUThresholdReward: give a list'
            )
        for threshold in thresholds:
            check_number('train_cfg.rewards: thresholds of IoUThresholdReward', threshold, low=1e-6, high=1)
        self.thresholds = tuple(thresholds)

    def __call__(self, answers: Answers) -> Tensor:
        reached = answers.iou[:, None] >= answers.iou.new_tensor(self.thresholds)
        return reached.float().mean(1)


@TASK_UTILS.register_module()
class FormatReward(Reward):
    """1 where the whole answer has the asked form (weight 0.5 in the paper)."""

    name = 'format'

    def __call__(self, answers: Answers) -> Tensor:
        return answers.well_formed.float()


def build_rewards(configs: Sequence[dict]) -> list[Reward]:
    """Rewards of ``train_cfg.rewards``.

    Raises:
        InputError: None, an unknown one, or two of one name.
    """
    if not isinstance(configs, Sequence) or isinstance(configs, str) or not configs:
        raise InputError(f"train_cfg.rewards={configs!r}: give a list, at least [dict(type='IoUReward')]")
    for config in configs:
        if not isinstance(config, dict) or not is_registered(config.get('type'), Reward):
            raise InputError(f"train_cfg.rewards: {config!r} is no dict(type='...') of a registered Reward")
    rewards = [TASK_UTILS.build(config) for config in configs]
    names = [reward.name for reward in rewards]
    if len(set(names)) < len(names):
        raise InputError(f'train_cfg.rewards: {names} are logged by name; give each another name=...')
    if not any(reward.weight for reward in rewards):
        raise InputError('train_cfg.rewards: all have weight=0, so that no answer is better than another')
    return rewards


def give_rewards(rewards: Sequence[Reward], answers: Answers) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted total (N,) and each reward (N,) by name.

    Raises:
        InputError: A reward has another shape or is not finite.
    """
    each: dict[str, Tensor] = {}
    for reward in rewards:
        kind = type(reward).__name__
        try:
            values = reward(answers)
        except Exception as error:
            error.add_note(
                f'This is the reward {kind} of train_cfg.rewards, on {len(answers.texts)} answers.'
            )
            raise
        if not isinstance(values, Tensor):
            raise InputError(f'reward {kind} returned {type(values).__name__}: return a tensor')
        values = values.detach().to(answers.targets)
        if values.shape != answers.parsed.shape:
            raise InputError(
                f'reward {kind} returned shape {tuple(values.shape)} for {len(answers.texts)} answers: '
                'return one number an answer'
            )
        if not bool(values.isfinite().all()):
            index = int((~values.isfinite()).nonzero()[0])
            raise InputError(
                f'reward {kind} returned {float(values[index])} for episode {answers.episodes[index]}, '
                f'answer {answers.texts[index]!r}: return finite numbers'
            )
        each[reward.name] = values
    weights = answers.targets.new_tensor([reward.weight for reward in rewards])
    return weights @ torch.stack(list(each.values())), each
