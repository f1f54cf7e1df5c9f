"""Tiny Qwen2-VL, Qwen2.5-VL and Qwen3-VL."""

from typing import Any

import torch
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLConfig
from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLConfig
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLConfig

from focus_mmdet.models.sizing.tiny_families.tiny_family import HEAD, TinyFamily, TinySizes

PATCH, MERGE = 8, 2
_SPECIAL_TOKENS = (
    '<|endoftext|>',
    '<|im_start|>',
    '<|im_end|>',
    '<|vision_start|>',
    '<|vision_end|>',
    '<|vision_pad|>',
    '<|image_pad|>',
    '<|video_pad|>',
)
_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "{{ '<|vision_start|><|image_pad|><|vision_end|>' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def _shared(ids: dict[str, int]) -> dict[str, Any]:
    return dict(
        image_token_id=ids['<|image_pad|>'],
        video_token_id=ids['<|video_pad|>'],
        vision_start_token_id=ids['<|vision_start|>'],
        vision_end_token_id=ids['<|vision_end|>'],
        tie_word_embeddings=True,
    )


def _tower(sizes: TinySizes, **options: Any) -> dict[str, Any]:
    return dict(depth=3, num_heads=sizes.vision // 32, patch_size=PATCH, spatial_merge_size=MERGE, **options)


def _wide_tower(sizes: TinySizes, **options: Any) -> dict[str, Any]:
    return _tower(
        sizes,
        hidden_size=sizes.vision,
        intermediate_size=3 * sizes.vision,
        out_hidden_size=sizes.width,
        **options,
    )


def _qwen2_vl(sizes: TinySizes, ids: dict[str, int], text: dict[str, Any]) -> Any:
    text['rope_parameters']['mrope_section'] = [6, 5, 5]
    tower = _tower(sizes, embed_dim=sizes.vision, hidden_size=sizes.width, mlp_ratio=3)
    return Qwen2VLConfig(text_config=text, vision_config=tower, **_shared(ids))


def _qwen2_5_vl(sizes: TinySizes, ids: dict[str, int], text: dict[str, Any]) -> Any:
    text['rope_parameters']['mrope_section'] = [6, 5, 5]
    tower = _wide_tower(sizes, window_size=4 * PATCH * MERGE, fullatt_block_indexes=[1])
    return Qwen2_5_VLConfig(text_config=text, vision_config=tower, **_shared(ids))


def _qwen3_vl(sizes: TinySizes, ids: dict[str, int], text: dict[str, Any]) -> Any:
    text['rope_parameters'].update(mrope_section=[6, 5, 5], mrope_interleaved=True)
    text.update(head_dim=HEAD)
    tower = _wide_tower(sizes, num_position_embeddings=256, deepstack_visual_indexes=[0])
    return Qwen3VLConfig(text_config=text, vision_config=tower, **_shared(ids))


def _strong_positions(model: Any) -> None:
    """A position signal as strong as the patches'.

    Without it "where" must be inferred and a tiny model never leaves the
    average box.
    """
    torch.nn.init.normal_(model.model.visual.pos_embed.weight, std=0.3)


def _processor() -> Any:
    return Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        merge_size=MERGE,
        size=dict(shortest_edge=(PATCH * MERGE) ** 2, longest_edge=1024 * 1024),
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


QWEN2_VL = TinyFamily(_SPECIAL_TOKENS, _CHAT_TEMPLATE, _qwen2_vl, _processor)
QWEN2_5_VL = TinyFamily(_SPECIAL_TOKENS, _CHAT_TEMPLATE, _qwen2_5_vl, _processor)
QWEN3_VL = TinyFamily(_SPECIAL_TOKENS, _CHAT_TEMPLATE, _qwen3_vl, _processor, _strong_positions)
