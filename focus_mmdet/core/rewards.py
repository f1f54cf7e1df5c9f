"""Rewards of GRPO, batched on the device of their input."""

from torch import Tensor

from focus_mmdet.core.boxes import paired_iou


def iou_reward(predicted: Tensor, target: Tensor, parsed: Tensor) -> Tensor:
    """IoU of every answer with its target; 0 where no box was read.

    Args:
        predicted: (N, 4) boxes, any content where ``parsed`` is False.
        target: (N, 4) boxes in the same unit.
        parsed: (N,) bool.

    Returns:
        (N,) in 0..1.
    """
    return paired_iou(predicted, target) * parsed


def format_reward(well_formed: Tensor) -> Tensor:
    """1 where the whole answer has the asked form, else 0; (N,) bool in."""
    return well_formed.float()
