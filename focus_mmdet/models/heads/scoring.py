"""How sure an answer is that the query shows the object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from focus_mmdet.core.prompt import Answer, format_answer
from focus_mmdet.errors import check_number


@dataclass(frozen=True)
class Scoring:
    """From the probability of an answer to its score.

    Its logit is ``scale`` times that of the probability, and ``likeness`` times how much the query looks
    like the object, and ``offset``.

    Args:
        scale: Over 0.
        offset: Of the logit.
        likeness: Of ``Look.likeness``; None does not look at them.

    Raises:
        InputError: A value is out of range.
    """

    scale: float = 1.0
    offset: float = 0.0
    likeness: float | None = None

    def __post_init__(self) -> None:
        check_number('model.bbox_head.score_calibration: scale', self.scale, low=1e-6)
        check_number('model.bbox_head.score_calibration: offset', self.offset)
        if self.likeness is not None:
            check_number('model.bbox_head.score_likeness', self.likeness, low=0)

    def __call__(self, logps: Tensor, likeness: Tensor | None) -> Tensor:
        """() in 0..1, of an answer's (L,) log-probabilities and what ``Look.likeness`` gives."""
        logit = self.scale * logps.mean().exp().logit(1e-6) + self.offset
        if self.likeness is not None and likeness is not None:
            logit = logit + self.likeness * likeness
        return logit.sigmoid()


def presence_logp(ids: Tensor, logps: Tensor, answer: Answer, tokenizer: Any) -> Tensor:
    """(1,) log-probability that the object is there, by the token at which a box and "none" part.

    A box and "none" are so on one scale: of "none", it is that of any other token. What follows tells
    where the object is, and not whether.

    Args:
        ids: (L,) tokens of an answer that holds a box or says "none".
        logps: (L,) their log-probabilities.
        answer: What they say.
        tokenizer: Of the VLM.
    """
    other = format_answer((0, 0, 1, 1) if answer.absent else None)
    place = _parting(ids.tolist(), tokenizer(other, add_special_tokens=False)['input_ids'])
    chosen = logps[place : place + 1]
    return torch.log(-torch.expm1(chosen)) if answer.absent else chosen


def _parting(ids: Sequence[int], other: Sequence[int]) -> int:
    """The first place where two answers differ."""
    return next(place for place, pair in enumerate(zip(ids, other, strict=False)) if pair[0] != pair[1])
