"""Frames, tracks and episodes: what the readers give and the samplers pick."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Frame:
    """One image with the box of one object.

    Attributes:
        path: Image file.
        width: In pixels.
        height: In pixels.
        box: (x1, y1, x2, y2) in pixels of the image.
    """

    path: str
    width: int
    height: int
    box: tuple[float, float, float, float]

    def record(self, img_id: int, frame_index: int) -> dict[str, Any]:
        """As an MMDetection image record."""
        return {
            'img_id': img_id,
            'frame_index': frame_index,
            'img_path': self.path,
            'width': self.width,
            'height': self.height,
            'instances': [{'bbox': list(self.box), 'bbox_label': 0, 'ignore_flag': 0}],
        }


@dataclass(frozen=True)
class Track:
    """All frames of one object, in order.

    Attributes:
        name: For messages, e.g. ``'instance_id 7'``.
        frames: Sorted by video and frame.
    """

    name: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Episode:
    """K supports and one query of the same object."""

    supports: tuple[Frame, ...]
    query: Frame

    def record(self, img_id: int) -> dict[str, Any]:
        """The query as an MMDetection image record, ``supports`` beside it.

        Args:
            img_id: Unique to the episode, because one query image may serve
                many episodes and ``CocoMetric`` tells them apart by it.
        """
        supports = [frame.record(img_id, index) for index, frame in enumerate(self.supports)]
        return {**self.query.record(img_id, len(supports)), 'supports': supports, 'shots': len(supports)}
