"""The shared prefix of stage 2 through the package ``prefix-grouper``, to compare it with ours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from focus_mmdet.models.vlm.vlm import VisionLanguageModel

BACKEND = 'prefix_grouper'


def grouped_attention(lengths: Sequence[int], device: torch.device) -> Any:
    """Attention as transformers calls it, over one prompt and its answers.

    Args:
        lengths: Tokens of the prompt, then of each answer, all of which are as long.
        device: Where the tokens are.
    """
    from prefix_grouper import PrefixGrouper

    grouper = PrefixGrouper([list(lengths)], device=device)

    def attend(
        query: Tensor, key: Tensor, value: Tensor, _: Tensor, module: nn.Module, **options: Any
    ) -> Tensor:
        rows, total = query.shape[2], key.shape[2]
        mask = None
        if rows < total:  # answers behind their prompt
            mask = torch.ones(rows, total, dtype=torch.bool, device=device).tril(total - rows)[None, None]
        output: Tensor = sdpa_attention_forward(module, query, key, value, mask, **options)[0]
        return output

    def forward(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Any, **options: Any
    ) -> Any:
        return grouper.forward(attend, query, key, value, module, **options), None

    return forward


@contextmanager
def prefix_grouper(vlm: VisionLanguageModel, lengths: Sequence[int]) -> Iterator[None]:
    """Have the language model attend by that package; see :func:`grouped_attention`."""
    AttentionInterface.register(BACKEND, grouped_attention(lengths, vlm.device))
    AttentionMaskInterface.register(BACKEND, sdpa_mask)
    ours = vlm.model.config.text_config._attn_implementation
    vlm.model.set_attn_implementation({'text_config': BACKEND})
    try:
        yield
    finally:
        vlm.model.set_attn_implementation({'text_config': ours})
