"""Frames, tracks and episodes: what the readers give and the samplers pick."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Box = tuple[float, float, float, float]
#: Sums of decimals may miss a whole pixel by this much.
ROUNDING = 1e-6


def below_a_pixel(numbers: Sequence[float], width: float, height: float) -> str | None:
    """What is wrong with a box less than a pixel wide or high, said to follow "box"; None for others.

    Empty boxes are others.

    Args:
        numbers: The box as it was given, in any order.
        width: Of it, in pixels.
        height: The same.
    """
    if not 0 < min(width, height) < 1 - ROUNDING:
        return None
    if max(map(abs, numbers)) <= 1:
        return 'looks like fractions of the image: give pixels'
    return 'is smaller than a pixel'


#: What is known of images without the object, see ``Frame.absent_kind``.
ABSENT_KINDS = ('in_class', 'out_of_class')


class EpisodeNumber(int):
    """The ``img_id`` of an episode: counted from 0 within a dataset, because one image may be the
    query of many episodes. It is no id of an image in a file."""


@dataclass(frozen=True)
class Frame:
    """One image with the box of one object.

    Attributes:
        path: Image file.
        width: In pixels.
        height: In pixels.
        box: (x1, y1, x2, y2) in pixels of the image; None where the image is
            known not to show the object.
        category: Class of the object, where known.
        others: Boxes of the other objects in the image.
        classes: Their classes, None where not known.
        video: The image's ``video_id``.
        number: Its ``frame_id``, where that is a number.
        absent_kind: Of an image without the object, what it shows instead:
            ``'in_class'``, another object of its class, or ``'out_of_class'``;
            None where not known.
    """

    path: str
    width: int
    height: int
    box: Box | None
    category: int | str | None = None
    others: tuple[Box, ...] = ()
    classes: tuple[int | str | None, ...] = ()
    video: int | str | None = None
    number: int | None = None
    absent_kind: str | None = None

    @property
    def alike(self) -> list[bool]:
        """Of each other object, whether it is of the object's class."""
        return [kind is not None and kind == self.category for kind in self.classes]

    def record(self, img_id: EpisodeNumber, frame_index: int) -> dict[str, Any]:
        """As an MMDetection image record."""
        shown = [] if self.box is None else [{'bbox': list(self.box), 'bbox_label': 0, 'ignore_flag': 0}]
        return {
            'img_id': img_id,
            'frame_index': frame_index,
            'img_path': self.path,
            'width': self.width,
            'height': self.height,
            'instances': shown,
            'distractors': [list(box) for box in self.others],
            'look_alikes': self.alike,
        }


@dataclass(frozen=True)
class Track:
    """All frames of one object, in order.

    Attributes:
        name: For messages, e.g. ``'instance_id 7'``.
        frames: That show it, sorted by video and frame.
        absent: Frames known not to show it.
        elsewhere: More videos that may show it: they have records that were
            left out. None where any video may.
    """

    name: str
    frames: Sequence[Frame]
    absent: Sequence[Frame] = ()
    elsewhere: frozenset[int | str | None] | None = frozenset()

    @property
    def videos(self) -> frozenset[int | str | None]:
        """The videos that show it."""
        return frozenset(frame.video for frame in self.frames)


@dataclass(frozen=True)
class Episode:
    """K supports and one query of the same object, which the query may lack."""

    supports: tuple[Frame, ...]
    query: Frame

    def record(self, number: int) -> dict[str, Any]:
        """The query as an MMDetection image record, ``supports`` beside it.

        Args:
            number: Of the episode; it becomes the ``img_id``, by which ``CocoMetric`` tells them apart.
        """
        img_id = EpisodeNumber(number)
        supports = [frame.record(img_id, index) for index, frame in enumerate(self.supports)]
        query = self.query.record(img_id, len(supports))
        about = {
            'shots': len(supports),
            'gap': self.gap,
            'absent_kind': self.query.absent_kind,
            'reference': self.reference,
        }
        return {**query, 'supports': supports, **about}

    @property
    def reference(self) -> str:
        """The same for episodes of the same supports."""
        return ' '.join(f'{frame.path}:{frame.box}' for frame in self.supports)

    @property
    def gap(self) -> int | None:
        """Frames from the nearest support of the query's video to the query;
        None where there is none, or frames are not numbered."""
        numbers = [
            frame.number
            for frame in self.supports
            if frame.video == self.query.video and frame.number is not None
        ]
        here = self.query.number
        return None if here is None or not numbers else min(abs(here - number) for number in numbers)
