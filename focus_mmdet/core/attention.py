"""Attention mass on marked tokens, and the margin loss on it.

The loss of the paper needs, for every query-image row i of an attention
matrix A, the mass ``s_i = sum_j A_ij m_j`` on the marked columns. That is
attention applied to an indicator: the same softmax with ``m`` as the value.
So no T x T map is kept, on any scaled-dot-product backend.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import pad, scaled_dot_product_attention

MARGIN_FORMS = ('per_token', 'relative', 'mass', 'log', 'away')


def lower_right_mask(count: int, total: int, like: Tensor) -> Any:
    """Causal mask of the last ``count`` of ``total`` tokens: aligned lower right.

    (``is_causal=True`` would align it upper left.) On CUDA no mask is built at
    all; elsewhere it is (count, total) in the dtype of ``like`` and best made
    once for all layers.
    """
    if like.is_cuda:
        return causal_lower_right(count, total)
    hidden = torch.ones(count, total, dtype=torch.bool, device=like.device).triu(total - count + 1)
    return torch.zeros_like(hidden, dtype=like.dtype).masked_fill(hidden, float('-inf'))


def attention_mass(
    query: Tensor,
    key: Tensor,
    columns: Tensor,
    rows: tuple[int, int],
    scale: float,
    first: int = 0,
    heads: Sequence[int] | None = None,
    mask: Any = None,
) -> Tensor:
    """Causal attention mass of some rows on marked columns, mean over heads.

    Args:
        query: (H, T, D) of one sequence, after the rotary embedding.
        key: (H_kv, T, D); H is a multiple of H_kv (grouped-query attention).
        columns: (T, C), each column an indicator over tokens (0 or 1); C <= D.
        rows: The contiguous range [start, stop) of N query tokens.
        scale: What the logits are multiplied by, usually D ** -0.5.
        first: The first token that is not padding on the left.
        heads: Query heads to average over; None for all.
        mask: ``lower_right_mask(N, stop - first, query)``, where the caller
            has it already.

    Returns:
        (N, C) in 0..1, differentiable in query and key.
    """
    start, stop = rows
    groups = query.shape[0] // key.shape[0]
    queries, keys = query[:, start:stop], key[:, first:stop]
    # The CPU kernel groups heads itself; CUDA's without a mask can't with narrow values.
    grouped = heads is None and not query.is_cuda
    if not grouped:
        keys = keys.repeat_interleave(groups, dim=0)
    if heads is not None:
        queries, keys = queries[list(heads)], keys[list(heads)]
    if mask is None:
        mask = lower_right_mask(stop - start, stop - first, query)
    # Kernels that keep no map want values as wide as the keys (CPU) or a multiple of 8 (CUDA).
    marks = columns.shape[1]
    width = -(-marks // 8) * 8 if query.is_cuda else query.shape[-1]
    values = pad(columns[first:stop].to(query.dtype), (0, width - marks)).expand(len(keys), -1, -1)
    mass = scaled_dot_product_attention(
        queries[None], keys[None], values[None], mask, scale=scale, enable_gqa=grouped and groups > 1
    )
    return mass[0, ..., :marks].float().mean(0)


def attention_received(
    query: Tensor,
    key: Tensor,
    rows: tuple[int, int],
    scale: float,
    first: int = 0,
    counted: Tensor | None = None,
) -> Tensor:
    """How much attention each token gets from some rows; for pictures.

    Args:
        query: As of :func:`attention_mass`, like those below.
        key: Likewise.
        rows: Likewise.
        scale: Likewise.
        first: Likewise.
        counted: (N,) bool, which of the rows count; None for all.

    Returns:
        (T,) mean over heads and rows; it sums to 1 over the tokens. Holds an
        (H, N, T) tensor while it runs, so it is not meant for training.
    """
    queries, keys = query[:, rows[0] : rows[1]], key[:, first : rows[1]]
    keys = keys.repeat_interleave(query.shape[0] // key.shape[0], dim=0)
    count, total = queries.shape[1], keys.shape[1]
    logits = (queries @ keys.transpose(-1, -2)).float() * scale
    hidden = torch.ones(count, total, dtype=torch.bool, device=query.device).triu(total - count + 1)
    weights = logits.masked_fill(hidden, float('-inf')).softmax(-1)
    weights = (weights if counted is None else weights[:, counted]).mean((0, 1))
    received = weights.new_zeros(query.shape[1])
    received[first : rows[1]] = weights
    return received


def margin_loss(mass: Tensor, marked: int, total: int, margin: float, form: str = 'per_token') -> Tensor:
    """In-context attention loss, equations 5 to 10 of the paper.

    ``p+_i = s_i / n+`` is the mean attention a marked token gets from row i
    and ``p-_i = (1 - s_i) / n-`` that of the others, because a row sums to 1.
    ``away`` is for rows that shall not attend to what is marked.

    ===========  =====================================================  =======
    form         loss, mean over rows                                   margin
    ===========  =====================================================  =======
    per_token    ``max(0, margin - (p+_i - p-_i)) ** 2`` (the paper's)  below 1 / n+
    relative     ``max(0, margin - n+ (p+_i - p-_i)) ** 2``             0..1
    mass         ``max(0, margin - s_i) ** 2``                          0..1
    log          ``max(0, log(margin / s_i))``                          0..1
    away         ``max(0, log(margin / (1 - s_i)))``                    0..1
    ===========  =====================================================  =======

    Args:
        mass: (N,) the masses s_i, mean over layers and heads.
        marked: n+, the number of marked tokens, at least 1.
        total: Tokens in the sequence without padding; n- = total - n+.
        margin: mu; the paper's is 0.025. In the paper's form no row can do
            better than ``p+ = 1 / n+``: see :func:`reachable_margin`.
        form: One of ``MARGIN_FORMS``.
    """
    if form == 'away':
        mass, form = 1 - mass, 'log'
    if form == 'log':
        # Steep where there is no attention yet, unlike a square of the mass.
        return (margin / (mass + 1e-6)).log().clamp(min=0).mean()
    if form == 'mass':
        gap = mass
    else:
        gap = mass / marked - (1 - mass) / (total - marked)
        if form == 'relative':
            gap = gap * marked
    return (margin - gap).clamp(min=0).square().mean()


def reachable_margin(marked: int, form: str) -> float:
    """The largest margin that any attention can meet."""
    return 1 / marked if form == 'per_token' else 1.0
