"""Episodes as MMDetection's records, made when they are asked for."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from focus_mmdet.datasets.episode import Box, Episode, Frame
from focus_mmdet.datasets.episodes.columns import KINDS, NO_NUMBER, EpisodeColumns


class EpisodeTable(Sequence[dict[str, Any]]):
    """The list of a dataset's records. It never changes, so copies of it share its arrays.

    Args:
        columns: The episodes.
        prefix: Of relative names.
        numbers: Which of the episodes, all by default.
    """

    def __init__(self, columns: EpisodeColumns, prefix: str, numbers: Sequence[int] | None = None) -> None:
        self.columns = columns
        self.prefix = prefix
        self._numbers = range(len(columns.member_ends)) if numbers is None else numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> 'EpisodeTable': ...
    def __getitem__(self, index: int | slice) -> 'dict[str, Any] | EpisodeTable':
        if isinstance(index, slice):
            return EpisodeTable(self.columns, self.prefix, self._numbers[index])
        number = self._numbers[index]
        return self.episode(number).record(number)

    def __deepcopy__(self, memo: dict[int, Any]) -> 'EpisodeTable':
        return self

    def subset(self, indices: Sequence[int]) -> 'EpisodeTable':
        """Some of the episodes, which keep their numbers."""
        return EpisodeTable(self.columns, self.prefix, [self._numbers[index] for index in indices])

    def episode(self, number: int) -> Episode:
        """One of all episodes."""
        *supports, query = map(self._frame, _span(self.columns.member_ends, number, self.columns.members))
        return Episode(tuple(supports), query)

    @property
    def paths(self) -> 'Paths':
        """The image files of all episodes, each once, in order."""
        return Paths(self.columns, self.prefix)

    def _frame(self, frame: int) -> Frame:
        columns = self.columns
        picture = columns.frame_picture[frame]
        width, height = columns.picture_size[picture].tolist()
        box, number = int(columns.frame_box[frame]), int(columns.picture_number[picture])
        alike = _span(columns.others_ends, frame, columns.others_alike)
        return Frame(
            self.paths[columns.picture_name[picture]],
            width,
            height,
            None if box < 0 else self._box(box),
            # Which class it is nobody asks any more.
            category='target',
            others=tuple(map(self._box, _span(columns.others_ends, frame, columns.others))),
            classes=tuple('target' if each else None for each in alike),
            video=int(columns.picture_video[picture]),
            number=None if number == NO_NUMBER else number,
            absent_kind=KINDS[columns.frame_kind[frame]],
        )

    def _box(self, box: int) -> Box:
        x1, y1, x2, y2 = self.columns.boxes[box].tolist()
        return x1, y1, x2, y2


class Paths(Sequence[str]):
    """Image files, in order.

    Args:
        columns: Hold their names.
        prefix: Of relative names.
    """

    def __init__(self, columns: EpisodeColumns, prefix: str) -> None:
        self._columns = columns
        self._prefix = prefix

    def __len__(self) -> int:
        return len(self._columns.name_ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        start = self._columns.name_ends[place - 1] if place else 0
        stored = self._columns.names[start : self._columns.name_ends[place]].tobytes()
        name = stored.decode('utf-8', 'surrogatepass')
        return name if name.startswith('/') else self._prefix + name

    def __deepcopy__(self, memo: dict[int, Any]) -> 'Paths':
        return self


def _span(ends: np.ndarray, place: int, items: np.ndarray) -> list[Any]:
    """The list number ``place`` of many that lie one after the other."""
    values: list[Any] = items[ends[place - 1] if place else 0 : ends[place]].tolist()
    return values
