"""What was found in one query image."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

#: Of a calibrated model: as likely there as not.
LIKELY = 0.5


@dataclass(frozen=True)
class Located:
    """The answer to one query about one reference.

    Attributes:
        query: The file's path; of an image that came as an array ``'query 3'``,
            counted from 0.
        frame: Of a video, which one, counted from 0 as it plays; None for an image.
        reference: The name of what was looked for.
        size: (width, height) of the query image in pixels, as it is seen (turned as
            its EXIF tag says).
        box: (x1, y1, x2, y2) in pixels of the query image, clipped to it, or None
            where the model's answer holds no box in it.
        score: 0..1, how sure the model is that the object is there, also where it gave no box;
            of a model that was not trained for absence, how sure of its box, and 0 without one.
        absent: The model said that the object is not there, or something else is in its place.
            Without a box this is False where the answer cannot be read.
        answer: What the model wrote, of the part of the query that it looked into; empty where it writes
            nothing.
        picture: (H, W, 3) uint8 RGB strip of supports, query and attention, where it
            was asked for.
        instead: By its name, what was given as ``not_this`` and stands in the place that the model gave.
    """

    query: str
    frame: int | None
    reference: str
    size: tuple[int, int]
    box: tuple[float, float, float, float] | None
    score: float
    absent: bool
    answer: str
    picture: np.ndarray | None = None
    instead: str | None = None

    @property
    def is_likely(self) -> bool:
        """It has a box whose score is at least :data:`LIKELY`."""
        return self.box is not None and self.score >= LIKELY

    def record(self) -> dict[str, Any]:
        """As one JSON object, without the picture; pixels to one decimal, the score to four.

        ``answer`` is left out where the model writes nothing.
        """
        answer = {'answer': self.answer} if self.answer else {}
        return {
            'query': self.query,
            'frame': self.frame,
            'reference': self.reference,
            'size': list(self.size),
            'box': None if self.box is None else [round(value, 1) for value in self.box],
            'score': round(self.score, 4),
            'absent': self.absent,
            **answer,
            'instead': self.instead,
        }

    def at_least(self, score: float) -> 'Located':
        """The same, without the box where its score is lower; the score stays, to tell why."""
        return self if self.score >= score else replace(self, box=None)
