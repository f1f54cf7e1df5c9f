"""Pictures in which something of another picture stands, made of their features alone."""

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from focus_mmdet.core.feature_matching import box_cover
from focus_mmdet.core.places import grid_places

#: Share of the variance of what is pasted that is not its own.
STRANGE = 0.25
#: How often the picture pasted into is that of the support, turned upside down.
SAME = 0.25


def paste(seen: Tensor, boxes: Tensor, strange: float = STRANGE) -> tuple[Tensor, Tensor]:
    """What some pictures show in boxes, pasted into others.

    Args:
        seen: (N, C, rows, columns), features of pictures to draw from, by torch's generator.
        boxes: (B, 2, 4) in 0..1: for each picture that is drawn, where it is cut, and where that goes in
            another, stretched to fit.
        strange: Share of the variance of what is pasted that is of the cells of yet another picture.

    Returns:
        (B, C, rows, columns) pictures, and those into which was pasted.
    """
    rows, columns = seen.shape[2:]
    support, query = seen[torch.randint(len(seen), (2, len(boxes)))]
    query = torch.where(torch.rand(len(boxes), 1, 1, 1) < SAME, support.flip(2), query)
    places = grid_places(rows, columns).view(rows, columns, 4)
    start, end = boxes[:, :, None, None].split(2, -1)
    share = ((places[..., :2] + places[..., 2:]) / 2 - start[:, 1]) / (end - start)[:, 1]
    source = 2 * (start[:, 0] + share * (end - start)[:, 0]) - 1
    taken = grid_sample(support, source, align_corners=False, padding_mode='border')
    other = seen[torch.randint(len(seen), (len(boxes),))].flatten(2)[:, :, torch.randperm(rows * columns)]
    mean = seen.mean((0, 2, 3), keepdim=True)
    own, others = math.sqrt(1 - strange), math.sqrt(strange)
    taken = mean + own * (taken - mean) + others * (other.view_as(taken) - mean)
    cover = torch.stack([box_cover(box, (rows, columns)) for box in boxes[:, 1]])[:, None]
    return support, (1 - cover) * query + cover * taken
