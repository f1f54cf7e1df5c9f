"""Look into a VLM's attention without leaving the fused kernels.

The backends here are transformers' own; where the forward pass was given a
``probe``, they also show the probe the rotated queries and keys of each
language-model layer. A probe keeps small per-token sums, never a T x T map.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.flash_attention import flash_attention_forward
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from focus_mmdet.core.attention import attention_mass, attention_received, lower_right_mask
from focus_mmdet.models.vlm.known_prefix import behind_prefix
from focus_mmdet.models.vlm.prefix_attention import causal_prefix

#: Attention backends that can be probed, and their names in transformers.
BACKENDS = {'sdpa': 'focus_sdpa', 'flash_attention_2': 'flash_attention_2'}


@dataclass
class AttentionProbe(ABC):
    """Something measured in every layer of one forward pass.

    Attributes:
        first: Per sequence, the first token that is not padding.
        layers: Layer indices to look into; None for all.
        per_layer: What was measured, by layer, in the forward pass proper:
            recomputation under gradient checkpointing measures the same again.
    """

    first: Sequence[int]
    layers: Collection[int] | None = None
    per_layer: dict[int, list[Tensor]] = field(default_factory=dict)

    def observe(self, layer: int, query: Tensor, key: Tensor, scale: float) -> None:
        """Called by the attention function with (B, H, T, D) and (B, H_kv, T, D)."""
        if self.layers is not None and layer not in self.layers:
            return
        measured = [self.measure(index, query[index], key[index], scale) for index in range(query.shape[0])]
        # Keeping what recomputation measures would keep its whole graph until the step ends.
        self.per_layer.setdefault(layer, measured)

    @abstractmethod
    def measure(self, index: int, query: Tensor, key: Tensor, scale: float) -> Tensor:
        """What to keep of sequence ``index`` in one layer."""

    def mean_over_layers(self) -> list[Tensor]:
        """Per sequence, the mean of what was measured over the layers."""
        if not self.per_layer:
            raise RuntimeError('no layer was observed: the attention backend was changed after loading')
        sequences = zip(*self.per_layer.values(), strict=True)
        return [torch.stack(layers).mean(0) for layers in sequences]


@dataclass
class MassProbe(AttentionProbe):
    """Attention mass on marked columns; see :func:`attention_mass`.

    Attributes:
        spans: Per sequence, ranges [start, stop) of tokens whose attention is
            measured, each with its (T, C) indicators; at least one in all.
        heads: Query heads to average over; None for all.
    """

    spans: Sequence[Sequence[tuple[tuple[int, int], Tensor]]] = ()
    heads: Sequence[int] | None = None
    _masks: dict[tuple[int, int], Any] = field(default_factory=dict)

    def measure(self, index: int, query: Tensor, key: Tensor, scale: float) -> Tensor:
        """(N, C) of the rows of all spans."""
        first = self.first[index]
        masses = [query.new_zeros(0, 1).float()] if not self.spans[index] else []
        for (start, stop), columns in self.spans[index]:
            shape = (stop - start, stop - first)
            if shape not in self._masks:
                self._masks[shape] = lower_right_mask(*shape, query)
            masses.append(
                attention_mass(
                    query, key, columns, (start, stop), scale, first, self.heads, self._masks[shape]
                )
            )
        return torch.cat(masses)


class ProbeGroup:
    """Several probes of one forward pass.

    No dataclass: sharding rebuilds those that it finds among a layer's inputs
    with a gradient, and what the copies measure would be lost.
    """

    def __init__(self, probes: Sequence[AttentionProbe]) -> None:
        self.probes = probes

    def observe(self, layer: int, query: Tensor, key: Tensor, scale: float) -> None:
        """As of each probe."""
        for probe in self.probes:
            probe.observe(layer, query, key, scale)


@dataclass
class ReceivedProbe(AttentionProbe):
    """Attention received by each token, for pictures.

    Attributes:
        rows: Per sequence, the range [start, stop) of tokens that attend.
        counted: Per sequence, (stop - start,) bool: which of them do.
    """

    rows: Sequence[tuple[int, int]] = ()
    counted: Sequence[Tensor] = ()

    def measure(self, index: int, query: Tensor, key: Tensor, scale: float) -> Tensor:
        return attention_received(query, key, self.rows[index], scale, self.first[index], self.counted[index])


def _probed(attention: Callable[..., Any]) -> Callable[..., Any]:
    """``attention`` as transformers calls it, watched by ``probe`` if there is one."""

    def forward(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        probe: AttentionProbe | ProbeGroup | None = None,
        **kwargs: Any,
    ) -> Any:
        if probe is not None:
            scale = query.shape[-1] ** -0.5 if scaling is None else scaling
            probe.observe(int(module.layer_idx), query, key, scale)  # type: ignore[arg-type]
        return attention(module, query, key, value, attention_mask, scaling=scaling, **kwargs)

    return forward


def register_attention() -> None:
    """Make the probed backends known to transformers.

    SDPA gets a name of its own. FlashAttention 2 keeps its name, by which
    transformers finds its kernels; without a probe nothing changes.
    """
    AttentionInterface.register(
        BACKENDS['sdpa'], _probed(behind_prefix(causal_prefix(sdpa_attention_forward)))
    )
    AttentionMaskInterface.register(BACKENDS['sdpa'], sdpa_mask)
    flash = _probed(behind_prefix(flash_attention_forward))
    AttentionInterface.register(BACKENDS['flash_attention_2'], flash)
