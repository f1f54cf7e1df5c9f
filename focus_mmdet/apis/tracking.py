"""Follow objects through the frames of a video, if asked learning from what was found on the way."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.results.located import Located

#: Share of a frame's side, nearer to whose end nothing is learned.
_BORDER = 0.02


@dataclass(frozen=True)
class Learning:
    """Which answers become supports: such as do not end with the frame, beyond which the object may go on.

    Attributes:
        memory: At most so many beside the first supports, which stay; the oldest goes. 0 learns nothing.
        confident: Score from which an answer is believed; 0..1.
        spacing: Frames at least between two of them: neighbours look alike, and each new support is
            encoded once.
    """

    memory: int = 0
    confident: float = 0.8
    spacing: int = 10

    def __post_init__(self) -> None:
        check_number('memory', self.memory, low=0, whole=True)
        check_number('confident', self.confident, low=0, high=1)
        check_number('spacing', self.spacing, low=1, whole=True)


class TrackedFrame(NamedTuple):
    """What was found in a frame: one answer a reference, in their order."""

    number: int
    pixels: np.ndarray
    found: list[Located]


def track(
    find: Any,
    frames: Iterable[tuple[int, np.ndarray]],
    references: Sequence[Reference],
    learning: Learning | None = None,
    video: str = 'video',
    pred_score_thr: float = 0.0,
) -> Iterator[TrackedFrame]:
    """Look for objects in each frame, in order.

    An object that is not found is gone for that frame, and looked for in the next one all the same:
    it may come back anywhere.

    Args:
        find: ``InContextInferencer``.
        frames: Numbers and (H, W, 3) uint8 RGB pixels, as of ``read_frames``; taken one at a time.
        references: Of each object one.
        learning: Default: ``Learning()``.
        video: Its name in the answers.
        pred_score_thr: Boxes with a lower score are left out.

    Raises:
        InputError: No reference, or two of one name.
    """
    names = [reference.name for reference in references]
    if not names or len(set(names)) < len(names):
        raise InputError(f'references {names}: give at least one, and each a name of its own')
    tracks = [_Track(find, reference, learning or Learning()) for reference in references]

    def look(number: int, pixels: np.ndarray) -> TrackedFrame:
        # Together, so that the frame is seen once for all of them.
        known = [each.known for each in tracks]
        try:
            answers = find([pixels], known, pred_score_thr=pred_score_thr)
        except InputError as error:
            # The inferencer knows neither the video nor the frame.
            reason = str(error).removeprefix('query 0: ')
            raise InputError(f'{video}, frame {number} (from 0): {reason}') from error
        found = [replace(answer, query=video, frame=number) for answer in answers]
        for each, located in zip(tracks, found, strict=True):
            each.learn(number, pixels, located)
        return TrackedFrame(number, pixels, found)

    return (look(number, pixels) for number, pixels in frames)


class _Track:
    """One object on its way: its first supports, and those that were learned."""

    def __init__(self, find: Any, reference: Reference, learning: Learning) -> None:
        self.find = find
        self.first = self.known = reference
        self.learning = learning
        self.learned: deque[tuple[np.ndarray, tuple[float, ...]]] = deque(maxlen=learning.memory)
        self.last: int | None = None

    def learn(self, number: int, pixels: np.ndarray, located: Located) -> None:
        """Take a confident answer for a frame as a support."""
        if located.box is not None and self._is_to_be_learned(located, number):
            self.learned.append((pixels, located.box))
            self.last = number
            first = zip(self.first.images, self.first.boxes, strict=True)
            self.known = self.find.remember([*first, *self.learned], self.first.name)

    def _is_to_be_learned(self, located: Located, number: int) -> bool:
        rule = self.learning
        rested = self.last is None or number - self.last >= rule.spacing
        x1, y1, x2, y2 = located.box or (0, 0, 0, 0)
        large = min(x2 - x1, y2 - y1) >= 1  # of a support's box
        width, height = located.size
        whole = min(x1 / width, y1 / height, 1 - x2 / width, 1 - y2 / height) >= _BORDER
        return rule.memory > 0 and located.score >= rule.confident and rested and large and whole
