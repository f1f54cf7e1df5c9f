"""Pictures for learning: views of photographs, and collages of cut-out objects.

Every object comes with look-alikes: the same one in other colours, and its shape made of
other stuff. An object's name begins with its kind, ``plain``, ``coloured`` or ``stuffed``;
what follows names the photographed object or the one pasted, alike for look-alikes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import cv2
import numpy as np

from focus_mmdet.datasets.collage.cutouts import cut_out, in_other_colours, of_other_stuff, random_patch
from focus_mmdet.datasets.collage.views import from_elsewhere, in_another_pose, in_other_light

Box = tuple[float, float, float, float]

KINDS = ('plain', 'coloured', 'stuffed')
#: (width, height) of collages in pixels.
_SIZES = ((320, 240), (288, 288), (240, 320), (320, 320), (352, 224))
#: Shares of pictures that are views of a photograph, and of pasted objects that were photographed.
_VIEWS, _PHOTOGRAPHED = 0.15, 0.2
#: How many objects a collage shows, how often, and the largest share of its side that one takes.
_COUNTS = (0.25, 0.3, 0.25, 0.12, 0.08)
_LARGEST = (0.95, 0.62, 0.5, 0.42, 0.38)
#: The smallest share, if nothing else is said.
SMALLEST = 0.13
#: Objects lie under others by no more than this share of the smaller box.
_MOST_HIDDEN = 0.15
#: Pixels that an object has at least, each way.
_FEWEST_PIXELS = 9


@dataclass(frozen=True)
class Photo:
    """A photograph and the objects in it.

    Attributes:
        pixels: (H, W, 3) uint8 BGR.
        boxes: Of its objects by name, (x1, y1, x2, y2) in pixels.
    """

    pixels: np.ndarray
    boxes: Mapping[str, Box]


@dataclass(frozen=True)
class Picture:
    """What was made.

    Attributes:
        pixels: (H, W, 3) uint8 BGR.
        boxes: As of :class:`Photo`.
        absent: Names of objects that it lacks for certain, look-alikes of those in it first.
    """

    pixels: np.ndarray
    boxes: dict[str, Box]
    absent: list[str]


class PictureMaker:
    """Makes pictures of the objects of photographs and of others that are pasted.

    Args:
        photos: At least one that shows an object.
        collections: What is pasted, from each collection as often; views of every object by its name, each
            (H, W, 4) uint8 BGRA, trimmed.
        backgrounds: Further photographs, of none of the objects; (H, W, 3) uint8 BGR.
        scale: How many times as large as usual pictures are, each way.
        most: Objects of a collage, 1 to 5.
        smallest: Share of a collage's shorter side that an object takes at least, 0.05 to 0.35.
        bend: How far parts of what is pasted move from one picture to another, as
            :func:`in_another_pose` does it; 0: not at all.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        collections: Sequence[Mapping[str, Sequence[np.ndarray]]],
        backgrounds: Sequence[np.ndarray] = (),
        scale: int = 1,
        most: int = len(_COUNTS),
        smallest: float = SMALLEST,
        bend: float = 0.0,
    ) -> None:
        self.bend = bend
        self.counts = np.array(_COUNTS[:most]) / sum(_COUNTS[:most])
        self.smallest = smallest
        self.sizes = [(scale * width, scale * height) for width, height in _SIZES]
        self.photos = [photo for photo in photos if photo.boxes]
        self.scenes = [*photos, *(Photo(pixels, {}) for pixels in backgrounds)]
        self.cutouts: dict[str, list[np.ndarray]] = {}
        for photo in photos:
            for name, box in photo.boxes.items():
                if min(box[2] - box[0], box[3] - box[1]) >= 4 * _FEWEST_PIXELS:
                    cutout = cut_out(photo.pixels, box)
                    self.cutouts.setdefault(name, []).extend([] if cutout is None else [cutout])
        self.photographed = sorted(name for name, cutouts in self.cutouts.items() if cutouts)
        self.pools = [sorted(collection) for collection in collections]
        for collection in collections:
            self.cutouts |= {name: list(views) for name, views in collection.items()}

    def __call__(self, rng: np.random.Generator) -> Picture:
        """A picture, some of them views of a photograph, the others collages."""
        while True:
            made = self.view(rng) if rng.random() < _VIEWS else self.collage(rng)
            if made is not None:
                return made

    def view(self, rng: np.random.Generator) -> Picture | None:
        """A crop of a photograph round one of its objects, in other light, perhaps mirrored."""
        photo = self.photos[int(rng.integers(len(self.photos)))]
        target = list(photo.boxes.values())[int(rng.integers(len(photo.boxes)))]
        height, width = photo.pixels.shape[:2]
        left, right = _span(rng, target[0], target[2], width)
        top, bottom = _span(rng, target[1], target[3], height)
        pixels = photo.pixels[top:bottom, left:right]
        zoom = max(map(max, self.sizes)) / max(pixels.shape[:2])
        pixels = cv2.resize(
            pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
        )
        shape = pixels.shape[:2]
        if min(shape) < 4 * _FEWEST_PIXELS:
            return None
        boxes = {}
        for name, box in photo.boxes.items():
            seen = _clipped([zoom * (value - [left, top][side % 2]) for side, value in enumerate(box)], shape)
            if _area(seen) > 0.4 * zoom**2 * _area(box):
                boxes[f'plain {name}'] = seen
        if rng.random() < 0.5:
            pixels = np.ascontiguousarray(pixels[:, ::-1])
            boxes = {name: (shape[1] - x2, y1, shape[1] - x1, y2) for name, (x1, y1, x2, y2) in boxes.items()}
        return (
            Picture(in_other_light(pixels, rng, 0.8), boxes, self._absent(rng, boxes, photo.boxes))
            if boxes
            else None
        )

    def collage(self, rng: np.random.Generator) -> Picture | None:
        """One to five objects on a background, often with look-alikes."""
        width, height = self.sizes[int(rng.integers(len(self.sizes)))]
        pixels, behind = self._background(rng, width, height)
        names = self._cast(rng, 1 + int(rng.choice(len(self.counts), p=self.counts)), behind)
        largest = _LARGEST[len(names) - 1]
        boxes: dict[str, Box] = {}
        for name in rng.permutation(names).tolist():
            for _ in range(12):
                side = np.exp(rng.uniform(np.log(self.smallest), np.log(largest))) * min(width, height)
                seen = self.appearance(name, rng)
                if self.bend:
                    seen = in_another_pose(seen, rng, self.bend)
                cutout = from_elsewhere(seen, rng, side)
                if cutout is None or (place := _free_place(rng, cutout, (height, width), boxes)) is None:
                    continue
                paste(pixels, in_other_light(cutout, rng, 0.7), place)
                boxes[name] = place
                break
        return Picture(pixels, boxes, self._absent(rng, boxes, behind)) if boxes else None

    def appearance(self, name: str, rng: np.random.Generator) -> np.ndarray:
        """A cut-out of an object: a look-alike is made from its name, always alike."""
        kind, _, of = name.partition(' ')
        own = np.random.default_rng(crc32(name.encode()))
        cutouts = self.cutouts[of]
        if kind == 'plain':
            return cutouts[int(rng.integers(len(cutouts)))]
        first = cutouts[int(own.integers(len(cutouts)))]
        if kind == 'coloured':
            return in_other_colours(first, own.uniform(0.2, 0.8))
        return of_other_stuff(first, self._any_scene(own).pixels, own)

    def _cast(self, rng: np.random.Generator, count: int, behind: Mapping[str, Box]) -> list[str]:
        """Names of objects that may stand together: none of them is in the background."""
        names: list[str] = []
        while len(names) < count:
            if names and rng.random() < 0.35:
                kind, of = str(rng.choice(KINDS)), names[0].partition(' ')[2]
            else:
                kind, of = self._any_object(rng)
            if of not in behind and f'{kind} {of}' not in names:
                names.append(f'{kind} {of}')
        return names

    def _any_object(self, rng: np.random.Generator) -> tuple[str, str]:
        """A kind and what of."""
        kind = str(rng.choice(KINDS, p=(0.6, 0.15, 0.25)))
        pool = self.pools[int(rng.integers(len(self.pools)))]
        if self.photographed and rng.random() < _PHOTOGRAPHED:
            pool = self.photographed
        return kind, pool[int(rng.integers(len(pool)))]

    def _absent(
        self, rng: np.random.Generator, boxes: Mapping[str, Box], behind: Mapping[str, Box]
    ) -> list[str]:
        shown = {name.partition(' ')[2] for name in boxes}
        alike = [f'{kind} {of}' for of in sorted(shown & self.cutouts.keys()) for kind in KINDS]
        others = [' '.join(self._any_object(rng)) for _ in range(2)]
        certain = [name for name in [*rng.permutation(alike)[:2].tolist(), *others] if name not in boxes]
        return [name for name in dict.fromkeys(certain) if name.partition(' ')[2] not in behind]

    def _any_scene(self, rng: np.random.Generator) -> Photo:
        return self.scenes[int(rng.integers(len(self.scenes)))]

    def _background(
        self, rng: np.random.Generator, width: int, height: int
    ) -> tuple[np.ndarray, dict[str, Box]]:
        """Pixels, and the objects that show in them."""
        if rng.random() < 0.2:
            coarse = rng.uniform(20, 235, (*rng.integers(2, 5, 2), 3)).astype(np.uint8)
            return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), {}
        photo, zoom = self._any_scene(rng), rng.uniform(0.25, 1)
        rows, columns = (max(4 * _FEWEST_PIXELS, int(side * zoom)) for side in photo.pixels.shape[:2])
        pixels = cv2.resize(
            random_patch(photo.pixels, rng, rows, columns), (width, height), interpolation=cv2.INTER_AREA
        )
        if rng.random() < 0.4:
            pixels = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(1, 6))
        return in_other_light(pixels, rng), dict(photo.boxes)


def _span(rng: np.random.Generator, low: float, high: float, limit: int) -> tuple[int, int]:
    """A range of pixels in 0..limit round [low, high], up to five times as long."""
    length = min(limit, int((high - low) * np.exp(rng.uniform(np.log(1.05), np.log(5)))) + 1)
    first, last = max(0, int(np.ceil(high)) - length), min(int(low), limit - length)
    start = int(rng.integers(min(first, last), max(first, last) + 1))
    return start, min(limit, start + length)


def _clipped(box: Sequence[float], shape: tuple[int, ...]) -> Box:
    x1, y1, x2, y2 = box
    return max(0.0, x1), max(0.0, y1), min(float(shape[1]), x2), min(float(shape[0]), y2)


def _area(box: Sequence[float]) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _free_place(
    rng: np.random.Generator, cutout: np.ndarray, shape: tuple[int, int], taken: Mapping[str, Box]
) -> Box | None:
    """Where a cut-out covers little of what is there; None where it finds no place at once."""
    height, width = cutout.shape[:2]
    if height > shape[0] or width > shape[1] or min(height, width) < _FEWEST_PIXELS:
        return None
    x, y = int(rng.integers(shape[1] - width + 1)), int(rng.integers(shape[0] - height + 1))
    box = (x, y, x + width, y + height)
    for other in taken.values():
        common = (*map(max, box[:2], other[:2]), *map(min, box[2:], other[2:]))
        if _area(common) > _MOST_HIDDEN * min(_area(box), _area(other)):
            return None
    return box


def paste(pixels: np.ndarray, cutout: np.ndarray, box: Box) -> None:
    """Put a cut-out, (h, w, 4) uint8 BGRA, into (H, W, 3) pixels where the box says, which is of its size."""
    x1, y1, x2, y2 = map(int, box)
    opacity = cutout[..., 3:].astype(np.float32) / 255
    under = pixels[y1:y2, x1:x2]
    pixels[y1:y2, x1:x2] = (under * (1 - opacity) + cutout[..., :3] * opacity).astype(np.uint8)
