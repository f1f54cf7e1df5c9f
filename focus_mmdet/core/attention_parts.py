"""Attention in two parts: to keys that all sequences of a batch share, and to each sequence's own.

``softmax([a, b]) [u; v]`` is a mean of ``softmax(a) u`` and ``softmax(b) v``, weighed by their sums of
exponentials. So what is shared is neither copied for each sequence nor joined to what is its own, and
needs no mask.
"""

import torch
from torch import Tensor


def attention_in_parts(
    query: Tensor,
    shared: tuple[Tensor, Tensor],
    own: tuple[Tensor, Tensor],
    scale: float,
    mask: Tensor | None = None,
) -> Tensor:
    """Attention of tokens that stand behind a common prefix.

    Args:
        query: (B, H, T, D), after the rotary embedding.
        shared: Keys and values of the prefix, (1, H_kv, S, D) each; H is a multiple of H_kv.
        own: Keys and values of each sequence, (B, H_kv, L, D) each.
        scale: What the logits are multiplied by.
        mask: (B, 1, T, L) bool, to which of its own keys a token attends, at least one; None: causal, T = L,
            or T = 1 to all.

    Returns:
        (B, H, T, D).
    """
    batch, heads, length, width = query.shape
    groups = shared[0].shape[1]
    # Without a mask, all that attend to one head's keys are rows of one product.
    rows = query.view(batch, groups, -1, length, width).transpose(0, 1).reshape(1, groups, -1, width)
    before, weight = _part(rows, *shared, scale, causal=False)
    shape = (groups, batch, heads // groups, length)
    before = before.view(*shape, width).transpose(0, 1).reshape(query.shape)
    weight = weight.reshape(shape).transpose(0, 1).reshape(batch, heads, length)
    behind, own_weight = _part(query, *own, scale, causal=mask is None and length > 1, mask=mask)
    share = (weight - own_weight).sigmoid().to(query.dtype)
    return behind.lerp(before, share[..., None])


def _part(
    query: Tensor, key: Tensor, value: Tensor, scale: float, causal: bool, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Attention (B, H, T, D) and the logarithm of its sums of exponentials, (B, H, T) float32.

    By the kernels behind ``scaled_dot_product_attention`` where they give the latter.
    """
    kernels = torch.ops.aten
    if query.device.type == 'cpu':
        bias = None
        if mask is not None:
            bias = torch.zeros_like(mask, dtype=query.dtype).masked_fill_(~mask, float('-inf'))
        return kernels._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, causal, attn_mask=bias, scale=scale
        )
    if query.is_cuda and mask is None and query.shape[1] == key.shape[1] and query.shape[-1] % 8 == 0:
        found, weight, *_ = kernels._scaled_dot_product_efficient_attention(
            query, key, value, None, True, 0.0, causal, scale=scale
        )
        return found, weight[..., : query.shape[2]]
    return _plain_part(query, key, value, scale, causal, mask)


def _plain_part(
    query: Tensor, key: Tensor, value: Tensor, scale: float, causal: bool, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The same in plain torch, for few keys: holds a (B, H, T, L) tensor while it runs."""
    key, value = (each.repeat_interleave(query.shape[1] // each.shape[1], dim=1) for each in (key, value))
    logits = (query @ key.transpose(-1, -2)).float() * scale
    if causal:
        mask = torch.ones(logits.shape[-2:], dtype=torch.bool, device=query.device).tril()
    if mask is not None:
        logits = logits.masked_fill(~mask, float('-inf'))
    return logits.softmax(-1).to(value.dtype) @ value, logits.logsumexp(-1)
