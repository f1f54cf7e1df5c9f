"""Run a model of true size without its weights: shapes and bytes, no values.

Weights live on torch's meta device. What decides shapes (token ids, patch
grids, masks) stays real on the CPU, so the same code runs as in training.
"""

import tempfile
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.heads.vlm_head import VLMHead
from focus_mmdet.models.vlm.families import SeenImage, VLMFamily

_aten = torch.ops.aten


def dry_head(config: Any, **options: Any) -> VLMHead:
    """A :class:`VLMHead` on the meta device.

    Args:
        config: Hugging Face config of the VLM.
        options: Of the head.
    """
    with tempfile.TemporaryDirectory() as folder, torch.device('meta'):
        config.save_pretrained(folder)
        return VLMHead(folder, load_weights=False, **options)


def dry_image(family: VLMFamily, size: tuple[int, int]) -> SeenImage:
    """An image of (width, height) pixels, as the family's published processor makes it."""
    (seen,) = family.see([np.zeros((size[1], size[0], 3), np.uint8)], family.image_processor())
    return seen


def dry_episodes(
    family: VLMFamily, episodes: int, shots: int, size: tuple[int, int], text: int, answer: int
) -> EpisodeBatch:
    """Equal episodes of the given sizes; pixels are on the meta device.

    Args:
        family: Of the VLM; its published processor makes the images.
        episodes: B.
        shots: K supports each.
        size: (width, height) in pixels of every image.
        text: Tokens of text round each image; twenty of each support's are marked.
        answer: Tokens of each answer.
    """
    seen = dry_image(family, size)
    count = len(seen.places)
    visual = torch.full((count,), family.image_token_id)
    part = torch.cat([torch.ones(1).long(), visual, torch.zeros(text).long()])
    prompt = part.repeat(shots + 1)
    marks = torch.zeros_like(part, dtype=torch.bool)
    marks[-text : 20 - text] = True
    stop = len(prompt) - text
    query = torch.zeros_like(prompt, dtype=torch.bool)
    query[stop - count : stop] = True
    images = episodes * (shots + 1)
    tensors = {
        name: tensor.to('meta') if tensor.is_floating_point() else tensor
        for name, tensor in seen.tensors.items()
    }
    return EpisodeBatch(
        prompt_ids=[prompt] * episodes,
        answer_ids=[torch.zeros(answer).long()] * episodes,
        vision=[tensors] * images,
        places=[seen.places] * images,
        frames=[shots + 1] * episodes,
        marks={
            'box_text': [torch.cat([marks.repeat(shots), torch.zeros_like(marks)])] * episodes,
            'query_image': [query] * episodes,
        },
        query_rows=[(stop - count, stop)] * episodes,
        cells=torch.tensor([seen.cells] * episodes),
        targets=None,
        language=('', False),
        openings=[1] * episodes,
        image_spans=[[]] * episodes,
        box_ends=[[]] * episodes,
        regions=[[]] * episodes,
        support_boxes=[[]] * episodes,
        edges=[[]] * episodes,
        coordinates=None,
    )


class DryRun(TorchDispatchMode):
    """Let meta and real tensors meet, and count the bytes of the meta ones.

    Attention takes the kernel that keeps no map, as on a GPU.

    Args:
        held: Tensors that are there from the start, counted as well.

    Attributes:
        live: Bytes of meta tensors that are held.
        peak: The most there were at a time; may be set back to ``live``.
    """

    def __init__(self, held: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._seen = WeakIdKeyDictionary()
        self._kernels: Any = None
        for tensor in held:
            self._count(tensor)

    def __enter__(self) -> 'DryRun':
        self._kernels = torch.library.Library('aten', 'IMPL')
        self._kernels.impl('scaled_dot_product_attention', _fused_attention, 'AutogradMeta')
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._kernels._destroy()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is _aten._to_copy.default and (args[0].is_meta or not args[0].is_floating_point()):
            # Ids, grids and masks decide shapes: they are never moved away, and what has no values cannot be.
            kwargs = {name: value for name, value in kwargs.items() if name != 'device'}
        if func is _aten._local_scalar_dense.default and args[0].is_meta and args[0].dtype == torch.bool:
            return True  # a check of values that are not there
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if any(each.is_meta for each in tensors) and not all(each.is_meta for each in tensors):
            if func in (_aten.index.Tensor, _aten.index_put.default):
                args = (args[0], _whole_numbers(args[1]), *args[2:])
            args, kwargs = tree_map_only(Tensor, _to_meta, (args, kwargs))
        result = func(*args, **kwargs)
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if tensor.is_meta and storage not in self._seen:
            self._seen[storage] = True
            self._add(storage.nbytes())
            weakref.finalize(storage, self._add, -storage.nbytes())

    def _add(self, size: int) -> None:
        self.live += size
        self.peak = max(self.peak, self.live)


def _fused_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``scaled_dot_product_attention`` on meta tensors, which would keep a T x T map."""
    key, value = _to_meta(key), _to_meta(value)
    if enable_gqa:
        key, value = (each.repeat_interleave(query.shape[1] // each.shape[1], 1) for each in (key, value))
    kernel = _aten._scaled_dot_product_flash_attention_for_cpu
    result: Tensor = kernel(query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)[0]
    return result


def _to_meta(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else torch.empty_like(tensor, device='meta')


def _whole_numbers(indices: Any) -> list[Any]:
    """Real masks among the indices as positions: meta ones would hold any number."""
    result: list[Any] = []
    for index in indices:
        real_mask = index is not None and not index.is_meta and index.dtype == torch.bool
        result += index.nonzero().unbind(1) if real_mask else [index]
    return result
