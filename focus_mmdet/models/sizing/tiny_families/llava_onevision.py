"""Tiny LLaVA-OneVision, whose patches leave out a margin of the image as the published ones do."""

from typing import Any

from transformers import LlavaOnevisionConfig, Qwen2Config, SiglipVisionConfig
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
    LlavaOnevisionImageProcessorPil,
)

from focus_mmdet.models.sizing.tiny_families.tiny_family import TinyFamily, TinySizes
from focus_mmdet.models.vlm.families import LLaVAOneVision

_SIDE = 68


def _config(sizes: TinySizes, ids: dict[str, int], text: dict[str, Any]) -> Any:
    tower = SiglipVisionConfig(
        hidden_size=sizes.vision,
        intermediate_size=3 * sizes.vision,
        num_hidden_layers=3,
        num_attention_heads=sizes.vision // 32,
        image_size=_SIDE,
        patch_size=16,
        vision_use_head=False,
    )
    return LlavaOnevisionConfig(
        text_config=Qwen2Config(**text),
        vision_config=tower,
        image_token_index=ids[LLaVAOneVision.image_token],
        video_token_index=ids['<video>'],
        tie_word_embeddings=True,
    )


def _processor() -> Any:
    return LlavaOnevisionImageProcessorPil(
        size=dict(height=_SIDE, width=_SIDE), image_mean=[0.5] * 3, image_std=[0.5] * 3
    )


LLAVA_ONEVISION = TinyFamily(
    ('<|endoftext|>', '<|im_start|>', LLaVAOneVision.stop_token, LLaVAOneVision.image_token, '<video>'),
    LLaVAOneVision.chat_template,
    _config,
    _processor,
)
