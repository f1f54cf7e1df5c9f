"""Attention of the shared-prefix sequence: causal prompt, masked answers.

A mask over the whole sequence would take the fused causal kernel away from
the prompt, which is nearly all of it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def causal_prefix(attention: Callable[..., Any]) -> Callable[..., Any]:
    """``attention`` that also takes a mask for the last rows only.

    Args:
        attention: As transformers calls it, with a (B, 1, A, T) mask for A
            query rows, or causal without one.

    Returns:
        The same function; where the mask has fewer rows than the queries,
        those before them attend causally among themselves.
    """

    def forward(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        **kwargs: Any,
    ) -> Any:
        if attention_mask is None or attention_mask.shape[2] == query.shape[2]:
            return attention(module, query, key, value, attention_mask, **kwargs)
        prefix = query.shape[2] - attention_mask.shape[2]
        head, _ = attention(
            module, query[:, :, :prefix], key[:, :, :prefix], value[:, :, :prefix], None, **kwargs
        )
        tail, _ = attention(module, query[:, :, prefix:], key, value, attention_mask, **kwargs)
        return torch.cat([head, tail], 1), None  # (B, T, H, D)

    return forward
