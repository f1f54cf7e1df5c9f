"""What is computed of tokens' logits, for a few tokens at a time.

One number for each of 152,000 words and each of 8 x 8 answers of 50 tokens is
2 GB, and a loss and its gradient take several such tables.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.distributions import Categorical
from torch.utils.checkpoint import checkpoint

#: Most logits at a time: 128 MB in float32.
LOGITS = 2**25


def read_logits(
    logits_of: Callable[[Tensor], Tensor],
    read: Callable[[Tensor, Tensor], Any],
    hidden: Tensor,
    ids: Tensor,
    vocabulary: int,
) -> list[Any]:
    """``read(logits, ids)`` of a few tokens at a time, in order.

    Backward computes the logits again: only hidden states and results are kept.

    Args:
        logits_of: From (R, D) to (R, V).
        read: Given (R, V) logits in float32 and (R,) ids.
        hidden: (S, D).
        ids: (S,).
        vocabulary: V.
    """

    def chunk(hidden: Tensor, ids: Tensor) -> Any:
        return read(logits_of(hidden).float(), ids)

    rows = max(1, LOGITS // vocabulary)
    pieces = zip(hidden.split(rows), ids.split(rows), strict=True)
    return [checkpoint(chunk, *piece, use_reentrant=False) for piece in pieces]


def token_logps(logits: Tensor, ids: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Log-probabilities of ids, and the entropies they were drawn with, without gradient.

    Args:
        logits: (R, V).
        ids: (R,).
        temperature: Divides the logits.

    Returns:
        Both (R,).
    """
    logits = logits / temperature
    logps = logits.gather(-1, ids[:, None])[:, 0] - logits.logsumexp(-1)
    # Last, where recomputation for backward stops short of it. Not validated:
    # SkipNonFiniteHook deals with logits that are NaN.
    entropies = Categorical(logits=logits.detach(), validate_args=False).entropy()
    return logps, entropies
