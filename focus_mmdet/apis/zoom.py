"""Small objects: look again, in the full resolution of the file, where they were found or everywhere."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from focus_mmdet.apis.reference import Reference
from focus_mmdet.errors import check_number
from focus_mmdet.results.located import Located


class Window(NamedTuple):
    """A part of an image in whole pixels; right and bottom are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """The part of an image (H, W, 3)."""
        return np.ascontiguousarray(pixels[self.top : self.bottom, self.left : self.right])

    def place(self, located: Located, size: tuple[int, int]) -> Located:
        """What was found in the part, in pixels of the whole image of this (width, height)."""
        if located.box is None:
            return replace(located, size=size)
        x1, y1, x2, y2 = located.box
        box = (x1 + self.left, y1 + self.top, x2 + self.left, y2 + self.top)
        return replace(located, box=box, size=size)

    def cuts(self, box: Sequence[float], size: tuple[int, int]) -> bool:
        """Whether a box in pixels of the image reaches an edge of the part that is none of the image."""
        x1, y1, x2, y2 = box
        return (
            (x1 < self.left + 1 and self.left > 0)
            or (y1 < self.top + 1 and self.top > 0)
            or (x2 > self.right - 1 and self.right < size[0])
            or (y2 > self.bottom - 1 and self.bottom < size[1])
        )


def window_round(box: Sequence[float], size: tuple[int, int], scale: float = 4.0, least: int = 64) -> Window:
    """The neighbourhood of a box: a square about its centre, moved and cut to lie in the image.

    Args:
        box: (x1, y1, x2, y2) in pixels.
        size: (width, height) of the image.
        scale: Of the square's side, in longer sides of the box.
        least: Pixels that the side has at least.
    """
    x1, y1, x2, y2 = box
    side = ceil(max(least, scale * max(x2 - x1, y2 - y1)))
    left, right = _span((x1 + x2) / 2, side, size[0])
    top, bottom = _span((y1 + y2) / 2, side, size[1])
    return Window(left, top, right, bottom)


def _span(centre: float, side: int, length: int) -> tuple[int, int]:
    side = min(side, length)
    start = min(max(0, round(centre - side / 2)), length - side)
    return start, start + side


def zoom_in(
    find: Any, pixels: np.ndarray, reference: Reference, first: Located, scale: float = 4.0, least: int = 64
) -> Located:
    """A second look at the neighbourhood of an answer.

    The first answer stays where it has no box, where its neighbourhood is the whole image, and where
    the second look finds nothing.

    Args:
        find: ``InContextInferencer``.
        pixels: (H, W, 3) uint8 RGB, as large as there is.
        reference: What is looked for.
        first: The answer for the whole image.
        scale: As of :func:`window_round`; at least 1.
        least: Likewise.
    """
    check_number('scale', scale, low=1)
    check_number('least', least, low=1, whole=True)
    height, width = pixels.shape[:2]
    if first.box is None:
        return first
    window = window_round(first.box, (width, height), scale, least)
    if window == (0, 0, width, height):
        return first
    (second,) = find([window.cut(pixels)], reference)
    if second.box is None:
        return first
    return replace(window.place(second, first.size), query=first.query, frame=first.frame)


def tile_windows(size: tuple[int, int], side: int, overlap: float = 0.25) -> list[Window]:
    """Square tiles that cover an image, evenly, rows from the top.

    Whatever is smaller than ``overlap * side`` lies whole in at least one of them.

    Args:
        size: (width, height) of the image.
        side: Of a tile in pixels; an image that is narrower makes tiles as narrow.
        overlap: Share of a tile that its neighbour shows too, at least; 0..0.9.
    """
    check_number('side', side, low=1, whole=True)
    check_number('overlap', overlap, low=0, high=0.9)
    columns, rows = (_starts(length, min(side, length), overlap) for length in size)
    width, height = min(side, size[0]), min(side, size[1])
    return [Window(left, top, left + width, top + height) for top in rows for left in columns]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    # Whole pixels: neighbours are at most so far apart that rounding leaves them enough in common.
    step = max(1, int(side * (1 - overlap)))
    gaps = ceil((length - side) / step)
    return [number * (length - side) // gaps for number in range(gaps + 1)] if gaps else [0]


def find_in_tiles(
    find: Any,
    pixels: np.ndarray,
    reference: Reference,
    side: int,
    overlap: float = 0.25,
    batch_size: int = 1,
) -> Located:
    """The best-scored box of the whole image and of its tiles; where none has a box, the image's answer.

    A box at an edge of its tile may be a part of an object: :func:`zoom_in` looks again there.

    Args:
        find: ``InContextInferencer``.
        pixels: (H, W, 3) uint8 RGB.
        reference: What is looked for.
        side: As of :func:`tile_windows`.
        overlap: Likewise.
        batch_size: Tiles that go through the model together.
    """
    height, width = pixels.shape[:2]
    size = (width, height)
    whole = Window(0, 0, width, height)
    windows = [whole, *(window for window in tile_windows(size, side, overlap) if window != whole)]
    answers = find([window.cut(pixels) for window in windows], reference, batch_size=batch_size)
    placed = [window.place(answer, size) for window, answer in zip(windows, answers, strict=True)]
    best, window = max(
        zip(placed, windows, strict=True), key=lambda pair: -1.0 if pair[0].box is None else pair[0].score
    )
    if (box := best.box) is None:
        return placed[0]
    best = replace(best, query=placed[0].query)
    return zoom_in(find, pixels, reference, best) if window.cuts(box, size) else best
