"""Tiny FastVLM: a ResNet of stride 16 in place of FastViTHD."""

from typing import Any

from transformers import FastVlmConfig, Qwen2Config, ResNetConfig
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from focus_mmdet.models.sizing.tiny_families.tiny_family import TinyFamily, TinySizes
from focus_mmdet.models.vlm.families import FastVLM

_SIDE = 64


def _config(sizes: TinySizes, ids: dict[str, int], text: dict[str, Any]) -> Any:
    widths = [sizes.vision // 4, sizes.vision // 2, sizes.vision]
    tower = ResNetConfig(embedding_size=widths[0], hidden_sizes=widths, depths=[1, 1, 1], layer_type='basic')
    tower.hidden_size = sizes.vision
    return FastVlmConfig(
        text_config=Qwen2Config(**text),
        vision_config=tower,
        image_token_index=ids[FastVLM.image_token],
        image_seq_length=(_SIDE // 16) ** 2,
        tie_word_embeddings=True,
    )


def _processor() -> Any:
    return CLIPImageProcessorPil(
        size=dict(shortest_edge=_SIDE),
        crop_size=dict(height=_SIDE, width=_SIDE),
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


FAST_VLM = TinyFamily(
    ('<|endoftext|>', '<|im_start|>', FastVLM.stop_token, FastVLM.image_token),
    FastVLM.chat_template,
    _config,
    _processor,
)
