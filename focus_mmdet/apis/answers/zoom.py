"""Small objects: look again, in the full resolution of the file, everywhere or where one was found."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
from mmdet.structures import DetDataSample

from focus_mmdet.apis.answers.answerer import Answerer, Asked, Prepared
from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.datasets.image_file import Size
from focus_mmdet.errors import check_number

#: Pixels of a tile's side, at least: smaller ones would be thousands, with nothing but pieces in them.
_SMALLEST_TILE = 64


class Window(NamedTuple):
    """A part of an image in whole pixels; right and bottom are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """The part of an image (H, W, 3)."""
        return np.ascontiguousarray(pixels[self.top : self.bottom, self.left : self.right])

    def cuts(self, box: Sequence[float], size: Size) -> bool:
        """Whether a box in pixels of the image reaches an edge of the part that is none of the image."""
        x1, y1, x2, y2 = box
        return (
            (x1 < self.left + 1 and self.left > 0)
            or (y1 < self.top + 1 and self.top > 0)
            or (x2 > self.right - 1 and self.right < size[0])
            or (y2 > self.bottom - 1 and self.bottom < size[1])
        )


def window_round(box: Sequence[float], size: Size, scale: float = 4.0, least: int = 64) -> Window:
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


def tile_windows(size: Size, side: int, overlap: float = 0.25) -> list[Window]:
    """Square tiles that cover an image, evenly, rows from the top.

    Whatever is smaller than ``overlap * side`` lies whole in at least one of them.

    Args:
        size: (width, height) of the image.
        side: Of a tile in pixels; an image that is narrower makes tiles as narrow.
        overlap: Share of a tile that its neighbour shows too, at least; 0..0.9.
    """
    columns, rows = (_starts(length, min(side, length), overlap) for length in size)
    width, height = min(side, size[0]), min(side, size[1])
    return [Window(left, top, left + width, top + height) for top in rows for left in columns]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    # Whole pixels: neighbours are at most so far apart that rounding leaves them enough in common.
    step = max(1, int(side * (1 - overlap)))
    gaps = ceil((length - side) / step)
    return [number * (length - side) // gaps for number in range(gaps + 1)] if gaps else [0]


def check_tiles(key: str, side: int) -> None:
    """Raise :class:`InputError` unless ``side`` is 0 or a tile's in pixels; ``key`` is for the message."""
    check_number(key, side, low=0, whole=True)
    if side:
        check_number(key, side, low=_SMALLEST_TILE, whole=True)


@dataclass(frozen=True)
class Look:
    """A part of a query as the model takes it, and the answer to it, in pixels of the part."""

    window: Window
    part: Prepared
    sample: DetDataSample

    @property
    def score(self) -> float:
        """Of its box; -1 without one."""
        found = self.sample.pred_instances
        return float(found.scores[0]) if len(found) else -1.0

    @property
    def box(self) -> list[float]:
        """In pixels of the whole image."""
        left, top = self.window[:2]
        x1, y1, x2, y2 = self.sample.pred_instances.bboxes[0].tolist()
        return [x1 + left, y1 + top, x2 + left, y2 + top]


@dataclass(frozen=True)
class Parted(Prepared):
    """A query with all its pixels (H, W, 3) uint8 RGB, and its tiles, which are asked about in batches."""

    pixels: np.ndarray
    tiles: list[tuple[list[Window], Asked]]


class CloserLook:
    """Asks about parts of a query, too; used like the :class:`Answerer` that it asks.

    The best-scored box of the whole image and of its tiles counts; where none has one, the answer to the
    whole image. A second look at the box's neighbourhood follows where it is wanted, and where the box
    reaches an edge of its tile, since it may be a part of an object. What that finds takes the box's place.

    Args:
        answerer: Is asked.
        tiles: Pixels of a tile's side; 0: none.
        zoom: Take the second look always.
        batch_size: Tiles that go through the model together.

    Raises:
        InputError: ``tiles`` is too small, or no whole number.
    """

    #: All pixels are read.
    is_enough = None

    def __init__(self, answerer: Answerer, tiles: int = 0, zoom: bool = False, batch_size: int = 1) -> None:
        check_tiles('tiles', tiles)
        self.answerer = answerer
        self.side = tiles
        self.zoom = zoom
        self.batch_size = batch_size

    def prepare(self, pixels: np.ndarray, path: str = '', size: Size | None = None) -> Parted:
        """As of :class:`Answerer`."""
        whole = self.answerer.prepare(pixels, path, size)
        height, width = pixels.shape[:2]
        windows = tile_windows((width, height), self.side) if 0 < self.side < max(width, height) else []
        tiles = []
        for start in range(0, len(windows), self.batch_size):
            some = windows[start : start + self.batch_size]
            parts = [self.answerer.prepare(window.cut(pixels), path) for window in some]
            tiles.append((some, Asked(parts)))
        return Parted(whole.image, whole.sample, whole.seen, pixels, tiles)

    def answer(self, reference: Reference, asked: Asked, picture: bool = False) -> list[DetDataSample]:
        """As of :class:`Answerer`, of what :meth:`prepare` gave; boxes are in pixels of the whole images."""
        samples = self.answerer.answer(reference, asked)
        return [
            self._closer(reference, query, sample, picture)
            for query, sample in zip(asked.queries, samples, strict=True)
        ]

    def _closer(
        self, reference: Reference, query: Prepared, first: DetDataSample, picture: bool
    ) -> DetDataSample:
        assert isinstance(query, Parted)
        height, width = query.pixels.shape[:2]
        looks = [Look(Window(0, 0, width, height), query, first)]
        for windows, tiles in query.tiles:
            looks += map(Look, windows, tiles.queries, self.answerer.answer(reference, tiles))
        best = max(looks, key=lambda look: look.score)
        if best.score >= 0 and (self.zoom or best.window.cuts(best.box, (width, height))):
            best = self._again(reference, query, best)
        if picture and self.answerer.model.with_bbox:
            # Attention slows a look, so only the one that counts is drawn.
            (drawn,) = self.answerer.answer(reference, Asked([best.part]), picture)
            best.sample.set_metainfo({'attention': drawn.get('attention')})
        return _placed(best, query)

    def _again(self, reference: Reference, query: Parted, first: Look) -> Look:
        """The second look; the first where that shows the whole image, or finds nothing."""
        height, width = query.pixels.shape[:2]
        window = window_round(first.box, (width, height))
        if window == (0, 0, width, height):
            return first
        part = self.answerer.prepare(window.cut(query.pixels), query.sample.get('img_path', ''))
        (sample,) = self.answerer.answer(reference, Asked([part]))
        second = Look(window, part, sample)
        return second if second.score >= 0 else first


def _placed(look: Look, query: Prepared) -> DetDataSample:
    """The answer of a look as one to the whole query."""
    sample, found = look.sample, look.sample.pred_instances
    if len(found):
        found.bboxes = found.bboxes.new_tensor([look.box])
    sample.set_metainfo({key: query.sample.get(key) for key in query.sample.metainfo_keys()})
    return sample
