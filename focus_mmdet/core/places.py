"""Where the visual tokens of an image look.

A place is (x1, y1, x2, y2) in 0..1 of the image's width and height; a token
that looks nowhere, such as the end of a line, has NaN for all four. Places may
overlap (tiles beside a thumbnail) and come in any order.
"""

import torch
from torch import Tensor

Window = tuple[float, float, float, float]

#: Slack of comparisons: 1/250 of a pixel of a 4000 pixel image.
_SLACK = 1e-6


def grid_places(rows: int, columns: int, window: Window = (0.0, 0.0, 1.0, 1.0)) -> Tensor:
    """Places of a grid of tokens, row by row.

    Args:
        rows: Tokens from top to bottom.
        columns: Tokens from left to right.
        window: What the grid covers, in 0..1 of the image; it may reach beyond
            it, where the image was padded. Places are cut at the image's edges,
            and what lies outside looks nowhere.

    Returns:
        (rows * columns, 4).
    """
    left, top, right, bottom = window
    x = left + (right - left) * torch.arange(columns + 1, dtype=torch.float64) / columns
    y = top + (bottom - top) * torch.arange(rows + 1, dtype=torch.float64) / rows
    corners = [x[:-1].expand(rows, -1), y[:-1, None].expand(-1, columns)]
    corners += [x[1:].expand(rows, -1), y[1:, None].expand(-1, columns)]
    places = torch.stack(corners, -1).view(-1, 4).clamp(0, 1).float()
    seen = (places[:, 2:] - places[:, :2] > _SLACK).all(-1)
    return places.masked_fill(~seen[:, None], torch.nan)


def finer_places(places: Tensor, columns: int, fold: int) -> Tensor:
    """Places of a grid whose cells are each divided into ``fold`` times ``fold``.

    Args:
        places: (rows * columns, 4) of the grid, row by row.
        columns: Of the grid.
        fold: 1 leaves it as it is.

    Returns:
        (rows * columns * fold ** 2, 4), row by row.
    """
    cells = places.view(-1, columns, 4)
    steps = torch.arange(fold + 1, device=places.device) / fold
    x = cells[..., :1].lerp(cells[..., 2:3], steps)[:, None]
    y = cells[..., 1:2].lerp(cells[..., 3:], steps).transpose(1, 2)[..., None]
    corners = torch.broadcast_tensors(x[..., :-1], y[:, :-1], x[..., 1:], y[:, 1:])
    return torch.stack(corners, -1).view(-1, 4)


def looks(places: Tensor) -> Tensor:
    """(N,) bool: which of (N, 4) tokens look somewhere."""
    return ~places.isnan().any(-1)


def places_in_box(places: Tensor, box: Tensor) -> Tensor:
    """Which tokens have the centre of their place in a box.

    Args:
        places: (N, 4).
        box: (4,) in 0..1 of the image.

    Returns:
        (N,) bool. A box between all centres marks the token nearest to its own
        centre, in steps of the token's size, so something is always marked.
    """
    box = box.float()
    centres = (places[:, :2] + places[:, 2:]) / 2
    inside = ((centres >= box[:2] - _SLACK) & (centres <= box[2:] + _SLACK)).all(-1)
    if not inside.any():
        steps = ((centres - (box[:2] + box[2:]) / 2) / (places[:, 2:] - places[:, :2])).abs().amax(-1)
        inside[steps.nan_to_num(torch.inf).argmin()] = True
    return inside


def places_cover(places: Tensor, box: Tensor) -> Tensor:
    """The share of each token's place that a box covers.

    Args:
        places: (N, 4).
        box: (4,) in 0..1 of the image.

    Returns:
        (N,) in 0..1: 0 of a token that looks nowhere; a box thinner than a place still covers a part of it.
    """
    box = box.float()
    shared = torch.minimum(places[:, 2:], box[2:]) - torch.maximum(places[:, :2], box[:2])
    return (shared.clamp(min=0) / (places[:, 2:] - places[:, :2])).prod(-1).nan_to_num(0.0)


def places_along_edges(places: Tensor, box: Tensor) -> list[Tensor]:
    """Which tokens look along each edge of a box.

    Args:
        places: (N, 4).
        box: (4,) in 0..1 of the image.

    Returns:
        Four times (N,) bool, for left, top, right and bottom: places no farther from the edge,
        centre to edge, than they are large, and beside or between the box's other two edges.
    """
    box = box.float()
    centres, sizes = (places[:, :2] + places[:, 2:]) / 2, places[:, 2:] - places[:, :2]
    low, high = box[:2] - sizes / 2 - _SLACK, box[2:] + sizes / 2 + _SLACK
    along = (centres >= low) & (centres <= high)
    near = (centres.repeat(1, 2) - box).abs() <= sizes.repeat(1, 2) + _SLACK
    return [near[:, edge] & along[:, 1 - edge % 2] for edge in range(4)]


def spread(values: Tensor, places: Tensor) -> Tensor:
    """A map of what tokens hold, each value spread evenly over its token's place.

    Args:
        values: (N,).
        places: (N, 4).

    Returns:
        (rows, columns), cells of the usual token's size: the values of a grid
        come out as that grid. It sums to the values of the tokens that look
        somewhere.
    """
    seen = looks(places)
    held, places = values[seen].double(), places[seen].double()
    sizes = places[:, 2:] - places[:, :2]
    columns, rows = (1 / sizes.median(0).values).round().long().tolist()
    shares = [
        _overlaps(places[:, axis], places[:, axis + 2], cells) / sizes[:, axis, None]
        for axis, cells in ((1, rows), (0, columns))
    ]
    return torch.einsum('n,nr,nc->rc', held, *shares).to(values.dtype)


def _overlaps(start: Tensor, stop: Tensor, cells: int) -> Tensor:
    """(N, cells): how much of each of equal cells of 0..1 lies between ``start`` and ``stop``."""
    edges = torch.arange(cells + 1, dtype=start.dtype, device=start.device) / cells
    low = torch.maximum(start[:, None], edges[:-1])
    return (torch.minimum(stop[:, None], edges[1:]) - low).clamp(min=0)
