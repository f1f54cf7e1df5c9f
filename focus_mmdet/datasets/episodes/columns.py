"""Many episodes in few arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from focus_mmdet.datasets.annotations.columns import codes
from focus_mmdet.datasets.annotations.tracks import Tracks, frame_number
from focus_mmdet.datasets.episode import ABSENT_KINDS, Box, Episode, Frame

#: Kinds of frames, by their number in a column.
KINDS = (None, *ABSENT_KINDS)
#: Stands for a frame without a number, and for numbers that no column holds.
NO_NUMBER = -(2**63)


class Lists(NamedTuple):
    """Lists of different lengths, one after the other: the i-th ends before ``ends[i]``."""

    items: np.ndarray
    ends: np.ndarray


class Picture(NamedTuple):
    """What frames of one image have in common."""

    path: str
    width: int
    height: int
    video: int | str | None
    number: int | None


@dataclass(frozen=True)
class EpisodeColumns:
    """Episodes of frames of pictures; what occurs twice is there once.

    Attributes:
        names: (bytes,) uint8 names of image files, UTF-8, in order of their paths.
        name_ends: (N,) int64 where each ends.
        picture_name: (P,) int32 place among the names.
        picture_size: (P, 2) int32 width and height in pixels.
        picture_video: (P,) int32 equal for pictures of one video.
        picture_number: (P,) int64 number in the video, or ``NO_NUMBER``.
        frame_picture: (F,) int32.
        frame_box: (F,) int32 the object among the boxes, -1 where it is not there.
        frame_kind: (F,) int8 place in ``KINDS``.
        others: (O,) int32 the other objects of all frames among the boxes.
        others_alike: (O,) bool whether they are of the object's class.
        others_ends: (F,) int64 where those of each frame end.
        boxes: (B, 4) float64 as (x1, y1, x2, y2) in pixels.
        members: (M,) int32 frames of all episodes, of each the query last.
        member_ends: (E,) int64 where those of each episode end.
    """

    names: np.ndarray
    name_ends: np.ndarray
    picture_name: np.ndarray
    picture_size: np.ndarray
    picture_video: np.ndarray
    picture_number: np.ndarray
    frame_picture: np.ndarray
    frame_box: np.ndarray
    frame_kind: np.ndarray
    others: np.ndarray
    others_alike: np.ndarray
    others_ends: np.ndarray
    boxes: np.ndarray
    members: np.ndarray
    member_ends: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of_episodes(cls, episodes: Iterable[Episode], prefix: str) -> 'EpisodeColumns':
        """Columns of single episodes.

        Args:
            episodes: In order.
            prefix: What the names of most files begin with; it is cut off.
        """
        frames: dict[Frame, int] = {}
        pictures: dict[Picture, int] = {}
        boxes: dict[Box, int] = {}
        members, ends = [], []
        for episode in episodes:
            members += [frames.setdefault(frame, len(frames)) for frame in (*episode.supports, episode.query)]
            ends.append(len(members))
        own, others, alike, others_ends, shown = [], [], [], [], []
        for frame in frames:
            picture = Picture(frame.path, frame.width, frame.height, frame.video, frame.number)
            shown.append(pictures.setdefault(picture, len(pictures)))
            own.append(-1 if frame.box is None else boxes.setdefault(frame.box, len(boxes)))
            others += [boxes.setdefault(box, len(boxes)) for box in frame.others]
            alike += frame.alike
            others_ends.append(len(others))
        return cls(
            **_picture_columns(list(pictures), prefix),
            frame_picture=np.array(shown, np.int32),
            frame_box=np.array(own, np.int32),
            frame_kind=np.array([KINDS.index(frame.absent_kind) for frame in frames], np.int8),
            others=np.array(others, np.int32),
            others_alike=np.array(alike, bool),
            others_ends=np.array(others_ends, np.int64),
            boxes=np.array(list(boxes), np.float64).reshape(-1, 4),
            members=np.array(members, np.int32),
            member_ends=np.array(ends, np.int64),
        )

    @classmethod
    def of_rows(cls, tracks: Tracks, episodes: Lists, prefix: str) -> 'EpisodeColumns':
        """Columns of episodes that all show their object.

        Args:
            tracks: The objects.
            episodes: Rows of each episode, that of the query last.
            prefix: As of :meth:`of_episodes`.
        """
        used, members = np.unique(episodes.items, return_inverse=True)
        images, shown = np.unique(tracks.rows.images[used], return_inverse=True)
        near, counts = tracks.rows.of_images(images[shown])
        frames = np.repeat(np.arange(len(used)), counts)
        is_other = near != used[frames]
        others, frames = near[is_other], frames[is_other]
        classes = tracks.classes[others]
        kept = np.zeros(len(tracks.rows.boxes), bool)
        kept[used] = kept[others] = True
        box = np.cumsum(kept) - 1
        return cls(
            **_picture_columns([_picture(tracks, image) for image in images.tolist()], prefix),
            frame_picture=shown.astype(np.int32),
            frame_box=box[used].astype(np.int32),
            frame_kind=np.zeros(len(used), np.int8),
            others=box[others].astype(np.int32),
            others_alike=(classes == tracks.classes[used[frames]]) & (classes >= 0),
            others_ends=np.cumsum(counts - 1),
            boxes=tracks.rows.boxes[kept],
            members=members.astype(np.int32),
            member_ends=episodes.ends,
        )


def _picture(tracks: Tracks, image: int) -> Picture:
    record = tracks.records[image]
    return Picture(
        tracks.path(image), record['width'], record['height'], record['video_id'], frame_number(record)
    )


def _picture_columns(pictures: Sequence[Picture], prefix: str) -> dict[str, Any]:
    """The columns of pictures and names."""
    paths = sorted({picture.path for picture in pictures})
    names = [path.removeprefix(prefix).encode('utf-8', 'surrogatepass') for path in paths]
    videos = [picture.video for picture in pictures]
    numbers = [
        NO_NUMBER if picture.number is None or abs(picture.number) >= 2**62 else picture.number
        for picture in pictures
    ]
    return dict(
        names=np.frombuffer(b''.join(names), np.uint8),
        name_ends=np.cumsum([len(name) for name in names], dtype=np.int64),
        picture_name=codes([picture.path for picture in pictures], paths).astype(np.int32),
        picture_size=np.array([picture[1:3] for picture in pictures], np.int32).reshape(-1, 2),
        picture_video=codes(videos, dict.fromkeys(videos)).astype(np.int32),
        picture_number=np.array(numbers, np.int64),
    )
