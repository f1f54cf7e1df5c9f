"""The beginning of a prompt, read once for all queries that follow it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from focus_mmdet.core.attention_parts import attention_in_parts
from focus_mmdet.core.feature_matching import Look


@dataclass(frozen=True, eq=False)
class KnownPrefix:
    """What a language model keeps of S tokens. It is only ever read.

    Attributes:
        layers: Per layer, keys and values, (1, H_kv, S, D) each.
        following: (1,) the position that the token behind it takes.
        look: How its object looks to the vision part; None where nobody asked.
    """

    layers: list[tuple[Tensor, Tensor]]
    following: Tensor
    look: Look | None = None

    @property
    def length(self) -> int:
        """S."""
        return self.layers[0][0].shape[2]

    @property
    def bytes(self) -> int:
        """Memory of all layers and of the look."""
        look = [] if self.look is None else [self.look.features, self.look.shares, self.look.outside]
        return sum(tensor.nbytes for tensor in [*chain.from_iterable(self.layers), *look])


class BehindPrefix(NamedTuple):
    """For the attention of tokens behind a prefix: see :func:`behind_prefix`.

    Attributes:
        prefix: All sequences of the batch go on from it.
        mask: As of :func:`focus_mmdet.core.attention_parts.attention_in_parts`.
    """

    prefix: KnownPrefix
    mask: Tensor | None

    @classmethod
    def of(cls, prefix: KnownPrefix, mask: Tensor, length: int) -> 'BehindPrefix':
        """For the last ``length`` tokens of what is behind a prefix, (B, L) of 0 and 1."""
        total = mask.shape[1]
        if length in (1, total) and bool(mask.all()):
            return cls(prefix, None)
        attended = torch.ones(length, total, dtype=torch.bool, device=mask.device).tril(total - length)
        # Padding attends to itself, as somewhere it must.
        itself = torch.arange(total - length, total, device=mask.device)[:, None] == torch.arange(
            total, device=mask.device
        )
        return cls(prefix, (attended & mask[:, None, None].bool()) | itself)


def behind_prefix(attention: Callable[..., Any]) -> Callable[..., Any]:
    """``attention`` as transformers calls it, which also takes ``behind``: a prefix that no cache holds."""

    def forward(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        behind: BehindPrefix | None = None,
        **kwargs: Any,
    ) -> Any:
        if behind is None:
            return attention(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        known = behind.prefix.layers[int(module.layer_idx)]  # type: ignore[arg-type]
        found = attention_in_parts(query, known, (key, value), scale, behind.mask)
        return found.transpose(1, 2), None  # (B, T, H, D)

    return forward
