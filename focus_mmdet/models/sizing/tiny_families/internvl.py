"""Tiny InternVL3: at most six tiles of 64 pixels, four tokens each."""

from typing import Any

import torch
from transformers import InternVLConfig, InternVLVisionConfig, Qwen2Config
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from focus_mmdet.models.sizing.tiny_families.tiny_family import TinyFamily, TinySizes
from focus_mmdet.models.vlm.families import InternVL

_SIDE = 64
_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<IMG_CONTEXT>\\n' }}"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def _config(sizes: TinySizes, ids: dict[str, int], text: dict[str, Any]) -> Any:
    tower = InternVLVisionConfig(
        hidden_size=sizes.vision,
        intermediate_size=3 * sizes.vision,
        num_hidden_layers=3,
        num_attention_heads=sizes.vision // 32,
        attention_bias=True,
        image_size=_SIDE,
        patch_size=16,
    )
    return InternVLConfig(
        text_config=Qwen2Config(**text),
        vision_config=tower,
        image_token_id=ids[InternVL.image_token],
        image_seq_length=4,
        tie_word_embeddings=True,
    )


def _positions(model: Any) -> None:
    """The model's own initial ones are zero: "where" could not be seen."""
    torch.nn.init.normal_(model.model.vision_tower.embeddings.position_embeddings, std=0.3)


def _processor() -> Any:
    return GotOcr2ImageProcessorPil(
        size=dict(height=_SIDE, width=_SIDE), max_patches=6, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )


INTERNVL = TinyFamily(
    ('<|endoftext|>', '<|im_start|>', InternVL.stop_token, '<img>', '</img>', InternVL.image_token),
    _CHAT_TEMPLATE,
    _config,
    _processor,
    _positions,
)
