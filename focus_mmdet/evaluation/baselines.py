"""Answers that take no training: what every figure must be held against."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

_MATCHER_SCALES = (0.5, 0.6, 0.72, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0)


def copied_box(sample: dict[str, Any]) -> Tensor:
    """(4,) the last support's box at the same relative place of the query."""
    support = sample['supports'][-1]
    height, width = support.img_shape[:2]
    box = support.gt_instances.bboxes[0].cpu() / torch.tensor([width, height, width, height])
    height, width = sample['ori_shape'][:2]
    return box * torch.tensor([width, height, width, height])


def matched_box(images: Sequence[Tensor], sample: dict[str, Any]) -> Tensor:
    """(4,) where the last support's crop correlates best with the query.

    Args:
        images: K + 1 RGB images (3, H, W), the query last.
        sample: With ``supports``; ``ori_shape`` is of the query as it was read,
            in whose pixels the box comes.
    """
    support, query = (image.permute(1, 2, 0).cpu().numpy() for image in images[-2:])
    x1, y1, x2, y2 = (round(float(value)) for value in sample['supports'][-1].gt_instances.bboxes[0])
    x1, y1 = min(max(0, x1), support.shape[1] - 1), min(max(0, y1), support.shape[0] - 1)
    crop = support[y1 : max(y1 + 1, y2), x1 : max(x1 + 1, x2)]
    best, found = -2.0, torch.zeros(4)
    for scale in _MATCHER_SCALES:
        width, height = (max(2, round(length * scale)) for length in crop.shape[1::-1])
        if width > query.shape[1] or height > query.shape[0]:
            continue
        scores = cv2.matchTemplate(query, cv2.resize(crop, (width, height)), cv2.TM_CCOEFF_NORMED)
        _, score, _, (left, top) = cv2.minMaxLoc(np.nan_to_num(scores, nan=-1.0, posinf=-1.0))
        if score > best:
            best, found = score, torch.tensor([left, top, left + width, top + height]).float()
    ratio = torch.tensor(sample['ori_shape'][1::-1]) / torch.tensor(query.shape[1::-1])
    return found * ratio.repeat(2)
