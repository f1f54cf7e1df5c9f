"""Tiny Idefics3 and SmolVLM: up to four tiles of four visual tokens, and the whole image."""

from functools import partial
from typing import Any

from transformers import Idefics3Config, LlamaConfig, SmolVLMConfig
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from focus_mmdet.models.sizing.tiny_families.tiny_family import TinyFamily, TinySizes
from focus_mmdet.models.vlm.families import Idefics3

PATCH, MERGE = 8, 2
#: Sides of a tile; that of SmolVLM is not a multiple of the patches, as in SmolVLM2-2.2B.
TILES = {'idefics3': 32, 'smolvlm': 34}
_SPECIAL_TOKENS = (
    '<|im_end|>',
    '<|im_start|>',
    Idefics3.stop_token,
    '<fake_token_around_image>',
    Idefics3.image_token,
)
#: The tiny Idefics3 has no tokens for these and spells them out.
_MARKERS = ('<global-img>', *(f'<row_{row}_col_{column}>' for row in (1, 2) for column in (1, 2)))
_CHAT_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{{ ':' if message['content'][0]['type'] == 'image' else ': ' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>' }}"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{{ '<end_of_utterance>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def _config(kind: Any, sizes: TinySizes, ids: dict[str, int], text: dict[str, Any]) -> Any:
    tower = dict(
        hidden_size=sizes.vision,
        intermediate_size=3 * sizes.vision,
        num_hidden_layers=2,
        num_attention_heads=sizes.vision // 32,
        image_size=TILES[kind.model_type],
        patch_size=PATCH,
    )
    return kind(
        text_config=LlamaConfig(**text),
        vision_config=tower,
        scale_factor=MERGE,
        image_token_id=ids[Idefics3.image_token],
        pad_token_id=text['pad_token_id'],
        tie_word_embeddings=True,
    )


def _processor(kind: Any, tile: int) -> Any:
    return kind(size=dict(longest_edge=2 * tile), max_image_size=dict(longest_edge=tile))


IDEFICS3 = TinyFamily(
    _SPECIAL_TOKENS,
    _CHAT_TEMPLATE,
    partial(_config, Idefics3Config),
    partial(_processor, Idefics3ImageProcessorPil, TILES['idefics3']),
)
SMOLVLM = TinyFamily(
    _SPECIAL_TOKENS + _MARKERS,
    _CHAT_TEMPLATE,
    partial(_config, SmolVLMConfig),
    partial(_processor, SmolVLMImageProcessorPil, TILES['smolvlm']),
)
