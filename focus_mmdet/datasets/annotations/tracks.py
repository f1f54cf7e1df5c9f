"""The objects of a COCO file, as columns from which frames are made when they are asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, overload

import numpy as np

from focus_mmdet.datasets.annotations.columns import codes, natural_ranks
from focus_mmdet.datasets.annotations.image_files import ImageFiles
from focus_mmdet.datasets.annotations.left_out import ANY, LeftOut
from focus_mmdet.datasets.annotations.natural_order import as_number
from focus_mmdet.datasets.annotations.records import is_whole, said_id
from focus_mmdet.datasets.episode import Frame, Track


@dataclass(frozen=True)
class Boxes:
    """Annotations, one to a row, in the order of the file.

    Attributes:
        records: (R,) int64 places in the file's list.
        images: (R,) int64 places of their images in the file's list.
        instances: Ids of the T objects, in natural order.
        owners: (R,) int64 places of the rows' objects among these.
        boxes: (R, 4) float64 as (x1, y1, x2, y2) in pixels.
        categories: R classes, None where not known.
    """

    records: np.ndarray
    images: np.ndarray
    instances: list[Any]
    owners: np.ndarray
    boxes: np.ndarray
    categories: list[Any]

    def instance(self, row: int) -> Any:
        """Id of a row's object."""
        return self.instances[self.owners[row]]

    def repeat(self) -> bool:
        """Whether an object has two rows in one image."""
        pairs = np.sort(self.images * len(self.instances) + self.owners)
        return bool((pairs[1:] == pairs[:-1]).any())

    def without(self, images: Sequence[int]) -> 'Boxes':
        """The rows of other images than some, and their objects."""
        kept = np.flatnonzero(~np.isin(self.images, images))
        left, owners = np.unique(self.owners[kept], return_inverse=True)
        instances = [self.instances[place] for place in left]
        categories = [self.categories[row] for row in kept]
        return Boxes(self.records[kept], self.images[kept], instances, owners, self.boxes[kept], categories)

    def of_image(self, image: int) -> list[int]:
        """Rows of an image."""
        rows: list[int] = self.of_images(np.array([image]))[0].tolist()
        return rows

    def first_of(self, images: np.ndarray) -> np.ndarray:
        """(N,) int64 first rows of N images, -1 where an image has none."""
        rows, sorted_images = self._by_image
        start, stop = (np.searchsorted(sorted_images, images, side) for side in ('left', 'right'))
        found = np.full(len(images), -1)
        found[start < stop] = rows[start[start < stop]]
        return found

    def of_images(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of N images, one image after the other, and (N,) how many each has."""
        rows, sorted_images = self._by_image
        start, stop = (np.searchsorted(sorted_images, images, side) for side in ('left', 'right'))
        return rows[_spans(start, stop - start)], stop - start

    @cached_property
    def _by_image(self) -> tuple[np.ndarray, np.ndarray]:
        rows = np.argsort(self.images, kind='stable')
        return rows, self.images[rows]


def _spans(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """``counts[i]`` numbers from ``starts[i]`` on, for each i."""
    shift = starts - np.cumsum(counts) + counts
    return np.repeat(shift, counts) + np.arange(counts.sum())


class Tracks(Sequence[Track]):
    """The objects of a file in natural order of their ids.

    Args:
        records: Of the images.
        order: (N,) int64 ranks of the images, by video and frame.
        rows: The boxes, at most one of an object in an image.
        absent: Places of the images known not to show an object, by its id.
        left_out: What else may show an object.
        files: Of the images.
    """

    def __init__(
        self,
        records: Sequence[dict[str, Any]],
        order: np.ndarray,
        rows: Boxes,
        absent: Mapping[Any, Sequence[int]],
        left_out: LeftOut,
        files: ImageFiles,
    ) -> None:
        self.records = records
        self.rows = rows
        self.files = files
        distinct = [None, *dict.fromkeys(each for each in rows.categories if each is not None)]
        #: (R,) int64 numbers for the classes of the rows, -1 where not known.
        self.classes = codes(rows.categories, distinct) - 1
        self._absent, self._left_out = absent, left_out
        self._paths: dict[int, str] = {}
        self._images: dict[str, int] = {}
        self._ranks = order
        #: (R,) rows of one object after the other, by video and frame.
        self.order = np.lexsort((order[rows.images], rows.owners))
        #: (T + 1,) where the rows of each object begin, and the last ones end.
        self.bounds = np.searchsorted(rows.owners[self.order], np.arange(len(rows.instances) + 1))

    def __len__(self) -> int:
        return len(self.rows.instances)

    @overload
    def __getitem__(self, index: int) -> Track: ...
    @overload
    def __getitem__(self, index: slice) -> list[Track]: ...
    def __getitem__(self, index: int | slice) -> Track | list[Track]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        instance = self.rows.instances[place]
        rows = self.order[self.bounds[place] : self.bounds[place + 1]]
        lacking = sorted(self._absent.get(instance, ()), key=self._ranks.__getitem__)
        category = self.rows.categories[rows.max()]
        return ListedTrack(
            f'instance_id {instance}',
            ListedFrames(self.frame, rows.tolist()),
            ListedFrames(lambda image: self.frame_without(image, category), lacking),
            self._left_out.videos(instance),
            frozenset(self.records[image]['video_id'] for image in set(self.rows.images[rows].tolist())),
        )

    def rows_of(self, track: Track) -> list[int]:
        """Rows of the frames of one of these."""
        assert isinstance(track.frames, ListedFrames)
        return track.frames.of

    def frame(self, row: int) -> Frame:
        """The image of a row with its object."""
        own = self.frame_without(int(self.rows.images[row]), self.rows.categories[row], row)
        return replace(own, box=tuple(self.rows.boxes[row].tolist()))

    def frame_without(self, image: int, category: Any, row: int | None = None) -> Frame:
        """An image with all objects but that of ``row`` round the one that is asked for."""
        record = self.records[image]
        others = [other for other in self.rows.of_image(image) if other != row]
        return Frame(
            self.path(image),
            record['width'],
            record['height'],
            None,
            category,
            others=tuple(map(tuple, self.rows.boxes[others].tolist())),
            classes=tuple(self.rows.categories[other] for other in others),
            video=record['video_id'],
            number=frame_number(record),
        )

    def path(self, image: int) -> str:
        """File of an image."""
        if image not in self._paths:
            self._paths[image] = self.files.path(self.records[image]['file_name'])
            self._images[self._paths[image]] = image
        return self._paths[image]

    def image(self, path: str) -> int:
        """Place of the image of a frame that was asked for."""
        return self._images[path]


@dataclass(frozen=True)
class ListedTrack(Track):
    """An object of a file, whose videos are known without its frames."""

    shown_in: frozenset[int | str | None] = frozenset()

    @property
    def videos(self) -> frozenset[int | str | None]:
        return self.shown_in


class ListedFrames(Sequence[Frame]):
    """Frames that are made when they are first asked for.

    Args:
        make: Makes one.
        of: Of what it makes them, in order.
    """

    def __init__(self, make: Callable[[int], Frame], of: list[int]) -> None:
        self.of = of
        self._make = make
        self._made: dict[int, Frame] = {}

    def __len__(self) -> int:
        return len(self.of)

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> list[Frame]: ...
    def __getitem__(self, index: int | slice) -> Frame | list[Frame]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        item = self.of[index]
        if item not in self._made:
            self._made[item] = self._make(item)
        return self._made[item]


def frame_number(record: dict[str, Any]) -> int | None:
    """The ``frame_id`` of an image or a listed frame, where it is or spells a whole number."""
    frame = said_id(record, 'frame_id')
    number: Any = None if frame is ANY else as_number(frame)
    return number if is_whole(number) else None


def in_order(videos: Sequence[Any], frames: Sequence[Any]) -> tuple[np.ndarray, bool]:
    """(N,) int64 ranks of N images, by ids of video and frame, and whether two have the same place."""
    keys = natural_ranks(frames), natural_ranks(videos)
    order = np.lexsort(keys)
    ranks = np.empty(len(videos), np.int64)
    ranks[order] = np.arange(len(videos))
    same = [key[order][1:] == key[order][:-1] for key in keys]
    return ranks, bool((same[0] & same[1]).any())
