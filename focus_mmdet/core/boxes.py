"""Boxes: the coordinate grid a VLM speaks in, and the IoU it is judged by."""

import torch
from torch import Tensor


def to_grid(boxes: Tensor, size: tuple[float, float], cells: tuple[int, int]) -> Tensor:
    """Pixel boxes as the integers written into a prompt.

    Args:
        boxes: (N, 4) as (x1, y1, x2, y2) in pixels of an image of ``size``.
        size: Width and height of the image in pixels.
        cells: The largest coordinate in x and y. ``(1000, 1000)`` for models
            that speak in thousandths of the image; the resized width and height
            for models that speak in pixels of what they see.

    Returns:
        (N, 4) int64, rounded to the nearest cell border and clipped to the
        image, so :func:`from_grid` is at most half a cell away. Where that
        would leave nothing of a side, it takes the borders round it.
    """
    scale = boxes.new_tensor([cells[0] / size[0], cells[1] / size[1]] * 2, dtype=torch.float64)
    limit = boxes.new_tensor([cells[0], cells[1]] * 2, dtype=torch.float64)
    exact = torch.minimum((boxes.double() * scale).clamp(min=0), limit)
    grid = exact.round()
    # A model must not be taught to answer with an empty box.
    thin = (grid[:, :2] == grid[:, 2:]) & (exact[:, :2] < exact[:, 2:])
    low = torch.where(thin, exact[:, :2].floor(), grid[:, :2])
    high = torch.where(thin, exact[:, 2:].ceil(), grid[:, 2:])
    return torch.cat([low, high], 1).long()


def from_grid(grid: Tensor, size: tuple[float, float], cells: tuple[int, int]) -> Tensor:
    """Inverse of :func:`to_grid`: (N, 4) grid coordinates to float32 pixels."""
    scale = grid.new_tensor([size[0] / cells[0], size[1] / cells[1]] * 2, dtype=torch.float64)
    return (grid.double() * scale).float()


def paired_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of box i with box i.

    Args:
        first: (N, 4) as (x1, y1, x2, y2), any unit shared with ``second``.
        second: (N, 4).

    Returns:
        (N,) in 0..1, float32 on the device of the input. A box with x2 <= x1
        or y2 <= y1 has no area; where the union is empty the IoU is 0.
    """
    first, second = first.float(), second.float()
    top_left = torch.maximum(first[:, :2], second[:, :2])
    bottom_right = torch.minimum(first[:, 2:], second[:, 2:])
    overlap = (bottom_right - top_left).clamp(min=0).prod(-1)
    area_first = (first[:, 2:] - first[:, :2]).clamp(min=0).prod(-1)
    area_second = (second[:, 2:] - second[:, :2]).clamp(min=0).prod(-1)
    valid = (area_first > 0) & (area_second > 0)
    union = area_first + area_second - overlap
    return torch.where(valid, overlap / union.clamp(min=1e-12), torch.zeros_like(union))
