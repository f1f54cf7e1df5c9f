"""How sure an answer is that the query shows the object."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from focus_mmdet.core.prompt import Answer, format_answer


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
