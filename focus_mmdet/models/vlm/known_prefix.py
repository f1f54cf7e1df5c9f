"""The beginning of a prompt, read once for all queries that follow it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from focus_mmdet.models.vlm.vlm import VisionLanguageModel


@dataclass(frozen=True, eq=False)
class KnownPrefix:
    """What a language model keeps of S tokens. It is only ever read.

    Attributes:
        layers: Per layer, keys and values, (1, H_kv, S, D) each.
        following: (1,) the position that the token behind it takes.
    """

    layers: list[tuple[Tensor, Tensor]]
    following: Tensor

    @property
    def length(self) -> int:
        """S."""
        return self.layers[0][0].shape[2]

    @property
    def bytes(self) -> int:
        """Memory of all layers."""
        return sum(tensor.nbytes for layer in self.layers for tensor in layer)


@torch.no_grad()
def know_prefix(
    vlm: VisionLanguageModel, ids: Tensor, images: Sequence[dict[str, Tensor]], features: Sequence[Any]
) -> KnownPrefix | None:
    """Read a prefix.

    Args:
        vlm: In eval mode.
        ids: (S,).
        images: ``EpisodeBatch.vision`` of the images in it.
        features: Of these, from :meth:`VisionLanguageModel.image_features`.

    Returns:
        None for a model that does not keep all tokens (sliding windows).
    """
    mask = torch.ones_like(ids)[None]
    positions, following = vlm.prompt_positions(ids[None], mask, images)
    cache = DynamicCache(config=vlm.model.config.get_text_config())
    vlm(ids[None], mask, positions, features, cache=cache)
    if any(type(layer) is not DynamicLayer for layer in cache.layers):
        return None
    return KnownPrefix([(layer.keys, layer.values) for layer in cache.layers], following)


class PrefixSpace:
    """Memory in which the queries of a batch go on from a prefix.

    It is kept for the next batch of the same prefix, which needs no copy then.
    """

    def __init__(self) -> None:
        self._layers: list[tuple[Tensor, Tensor]] = []
        self._prefix: KnownPrefix | None = None

    def cache(self, prefix: KnownPrefix, batch: int, room: int) -> Cache:
        """A cache that holds the prefix B times and takes ``room`` more tokens; ends the one before it."""
        if self._prefix is not prefix or not self._fits(batch, prefix.length + room):
            self._layers = []  # Let go before as much is taken again.
            self._layers = [
                (_with_room(keys, batch, room), _with_room(values, batch, room))
                for keys, values in prefix.layers
            ]
            self._prefix = prefix
        layers = [_GrowingLayer(keys[:batch], values[:batch], prefix.length) for keys, values in self._layers]
        return Cache(layers=layers)

    def _fits(self, batch: int, length: int) -> bool:
        keys = self._layers[0][0]
        return batch <= keys.shape[0] and length <= keys.shape[2]


def _with_room(tensor: Tensor, batch: int, room: int) -> Tensor:
    """(B, H, S + room, D), in which (1, H, S, D) stands B times."""
    _, heads, length, width = tensor.shape
    space = tensor.new_zeros(batch, heads, length + room, width)
    space[:, :, :length] = tensor
    return space


class _GrowingLayer(DynamicLayer):
    """Grows within memory that is there, where ``DynamicLayer`` copies all of it for each token."""

    def __init__(self, keys: Tensor, values: Tensor, length: int) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self.keys, self.values = keys, values
        self._length = length

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        assert self.keys is not None
        assert self.values is not None
        start, self._length = self._length, self._length + key_states.shape[-2]
        self.keys[:, :, start : self._length] = key_states
        self.values[:, :, start : self._length] = value_states
        return self.keys[:, :, : self._length], self.values[:, :, : self._length]

    def get_seq_length(self) -> int:
        return self._length
