"""Tiny Pixtral: patches of 16 pixels, a Mistral."""

from typing import Any

from transformers import LlavaConfig, MistralConfig, PixtralVisionConfig
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

from focus_mmdet.models.sizing.tiny_families.tiny_family import TinyFamily, TinySizes
from focus_mmdet.models.vlm.families import Pixtral

PATCH, SIDE = 16, 256


def _config(sizes: TinySizes, ids: dict[str, int], text: dict[str, Any]) -> Any:
    tower = PixtralVisionConfig(
        hidden_size=sizes.vision,
        intermediate_size=3 * sizes.vision,
        num_hidden_layers=2,
        num_attention_heads=sizes.vision // 32,
        image_size=SIDE,
        patch_size=PATCH,
    )
    return LlavaConfig(
        text_config=MistralConfig(**text, sliding_window=None),
        vision_config=tower,
        image_token_index=ids[Pixtral.image_token],
        vision_feature_layer=-1,
        vision_feature_select_strategy='full',
        tie_word_embeddings=True,
    )


def _processor() -> Any:
    return PixtralImageProcessorPil(patch_size=dict(height=PATCH, width=PATCH), size=dict(longest_edge=SIDE))


PIXTRAL = TinyFamily(
    (
        '<pad>',
        '<s>',
        Pixtral.stop_token,
        '[INST]',
        '[/INST]',
        Pixtral.image_token,
        '[IMG_BREAK]',
        '[IMG_END]',
    ),
    Pixtral.chat_template,
    _config,
    _processor,
)
