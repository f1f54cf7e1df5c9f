"""Sizes of published VLMs, for runs that need their shapes and not their weights."""

from typing import Any

from transformers.models.fast_vlm.configuration_fast_vlm import FastVlmConfig
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLConfig
from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLConfig
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLConfig

_QWEN2_7B = dict(
    vocab_size=152064,
    hidden_size=3584,
    intermediate_size=18944,
    num_hidden_layers=28,
    num_attention_heads=28,
    num_key_value_heads=4,
    rms_norm_eps=1e-6,
    rope_parameters=dict(rope_type='default', rope_theta=1e6, mrope_section=[16, 24, 24]),
)
_QWEN3_8B = dict(
    vocab_size=151936,
    hidden_size=4096,
    intermediate_size=12288,
    num_hidden_layers=36,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    max_position_embeddings=262144,
    rms_norm_eps=1e-6,
    rope_parameters=dict(
        rope_type='default', rope_theta=5e6, mrope_section=[24, 20, 20], mrope_interleaved=True
    ),
)


def _fast_vlm(tied: bool, **text: Any) -> dict[str, Any]:
    """Its vision part is the default of its config; it needs timm."""
    options = dict(model_type='qwen2', max_position_embeddings=32768, rms_norm_eps=1e-6)
    rope = dict(rope_type='default', rope_theta=1e6)
    return dict(text_config=dict(rope_parameters=rope, **options, **text), tie_word_embeddings=tied)


#: By the name of the folder they are published under: config class, its options, all parameters.
PUBLISHED: dict[str, tuple[Any, dict[str, Any], int]] = {
    'Qwen2-VL-7B-Instruct': (
        Qwen2VLConfig,
        dict(
            text_config=dict(max_position_embeddings=32768, **_QWEN2_7B),
            vision_config=dict(depth=32, embed_dim=1280, num_heads=16, hidden_size=3584, patch_size=14),
        ),
        8_291_375_616,
    ),
    'Qwen2-VL-72B-Instruct': (
        Qwen2VLConfig,
        dict(
            text_config=dict(
                max_position_embeddings=32768,
                **{
                    **_QWEN2_7B,
                    **dict(
                        hidden_size=8192,
                        intermediate_size=29568,
                        num_hidden_layers=80,
                        num_attention_heads=64,
                        num_key_value_heads=8,
                    ),
                },
            ),
            vision_config=dict(depth=32, embed_dim=1280, num_heads=16, hidden_size=8192, patch_size=14),
        ),
        73_405_560_320,
    ),
    'Qwen2.5-VL-7B-Instruct': (
        Qwen2_5_VLConfig,
        dict(
            text_config=dict(max_position_embeddings=128000, **_QWEN2_7B),
            vision_config=dict(
                depth=32,
                hidden_size=1280,
                intermediate_size=3420,
                num_heads=16,
                out_hidden_size=3584,
                patch_size=14,
                window_size=112,
                fullatt_block_indexes=[7, 15, 23, 31],
            ),
        ),
        8_292_166_656,
    ),
    'Qwen3-VL-8B-Instruct': (
        Qwen3VLConfig,
        dict(
            text_config=_QWEN3_8B,
            vision_config=dict(
                depth=27,
                hidden_size=1152,
                intermediate_size=4304,
                num_heads=16,
                out_hidden_size=4096,
                patch_size=16,
                num_position_embeddings=2304,
                deepstack_visual_indexes=[8, 16, 24],
            ),
        ),
        8_767_123_696,
    ),
    'FastVLM-0.5B': (
        FastVlmConfig,
        _fast_vlm(
            True,
            vocab_size=152000,
            hidden_size=896,
            intermediate_size=4864,
            num_hidden_layers=24,
            num_attention_heads=14,
            num_key_value_heads=2,
        ),
        620_361_440,
    ),
    'FastVLM-1.5B': (
        FastVlmConfig,
        _fast_vlm(
            True,
            vocab_size=152000,
            hidden_size=1536,
            intermediate_size=8960,
            num_hidden_layers=28,
            num_attention_heads=12,
            num_key_value_heads=2,
        ),
        1_673_607_776,
    ),
    'FastVLM-7B': (
        FastVlmConfig,
        _fast_vlm(
            False,
            vocab_size=152128,
            hidden_size=3584,
            intermediate_size=18944,
            num_hidden_layers=28,
            num_attention_heads=28,
            num_key_value_heads=4,
        ),
        7_762_651_744,
    ),
}


def published_config(name: str, **options: Any) -> Any:
    """Hugging Face config of ``PUBLISHED[name]``, for example with other token ids."""
    kind, sizes, _ = PUBLISHED[name]
    return kind(**{'tie_word_embeddings': False, **sizes, **options})
