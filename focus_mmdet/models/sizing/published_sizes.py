"""Sizes of published VLMs, for runs that need their shapes and not their weights."""

from typing import Any

from transformers.models.fast_vlm.configuration_fast_vlm import FastVlmConfig
from transformers.models.idefics3.configuration_idefics3 import Idefics3Config
from transformers.models.internvl.configuration_internvl import InternVLConfig
from transformers.models.llava.configuration_llava import LlavaConfig
from transformers.models.llava_onevision.configuration_llava_onevision import LlavaOnevisionConfig
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLConfig
from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLConfig
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLConfig
from transformers.models.smolvlm.configuration_smolvlm import SmolVLMConfig

_SIZES = (
    'hidden_size',
    'intermediate_size',
    'num_hidden_layers',
    'num_attention_heads',
    'num_key_value_heads',
)
#: Language models that several VLMs have: Qwen2, and 3B of Qwen2.5.
_QWEN2 = {
    '0.5B': (896, 4864, 24, 14, 2),
    '1.5B': (1536, 8960, 28, 12, 2),
    '3B': (2048, 11008, 36, 16, 2),
    '7B': (3584, 18944, 28, 28, 4),
    '72B': (8192, 29568, 80, 64, 8),
}


def _language(
    sizes: tuple[int, ...], vocabulary: int, rope: dict[str, Any], **options: Any
) -> dict[str, Any]:
    return dict(
        zip(_SIZES, sizes, strict=True),
        vocab_size=vocabulary,
        rms_norm_eps=1e-6,
        rope_parameters={'rope_type': 'default', 'rope_theta': 1e6, **rope},
        **options,
    )


def _qwen2(size: str, vocabulary: int, **rope: Any) -> dict[str, Any]:
    """A language model of a VLM with plain positions."""
    return _language(_QWEN2[size], vocabulary, rope, model_type='qwen2', max_position_embeddings=32768)


def _qwen2_vl(size: str, vocabulary: int, tied: bool = False) -> dict[str, Any]:
    rope = dict(mrope_section=[16, 24, 24])
    text = _language(_QWEN2[size], vocabulary, rope, max_position_embeddings=32768)
    vision = dict(depth=32, embed_dim=1280, num_heads=16, hidden_size=text['hidden_size'], patch_size=14)
    return dict(text_config=text, vision_config=vision, tie_word_embeddings=tied)


def _qwen2_5_vl(size: str, vocabulary: int, tied: bool = False) -> dict[str, Any]:
    rope = dict(mrope_section=[16, 24, 24])
    text = _language(_QWEN2[size], vocabulary, rope, max_position_embeddings=128000)
    vision = dict(
        depth=32,
        hidden_size=1280,
        intermediate_size=3420,
        num_heads=16,
        out_hidden_size=text['hidden_size'],
        patch_size=14,
        window_size=112,
        fullatt_block_indexes=[7, 15, 23, 31],
    )
    return dict(text_config=text, vision_config=vision, tie_word_embeddings=tied)


def _qwen3_vl(sizes: tuple[int, ...], tied: bool = True, **vision: Any) -> dict[str, Any]:
    rope = dict(rope_theta=5e6, mrope_section=[24, 20, 20], mrope_interleaved=True)
    tower = dict(
        depth=24,
        hidden_size=1024,
        intermediate_size=4096,
        num_heads=16,
        out_hidden_size=sizes[0],
        patch_size=16,
        num_position_embeddings=2304,
        deepstack_visual_indexes=[5, 11, 17],
    )
    return dict(
        text_config=_language(sizes, 151936, rope, head_dim=128, max_position_embeddings=262144),
        vision_config={**tower, **vision},
        tie_word_embeddings=tied,
    )


def _internvl3(size: str, **vision: Any) -> dict[str, Any]:
    """InternViT-300M where no other tower is given."""
    return dict(
        text_config=_qwen2(size, 151674, rope_type='dynamic', factor=2.0),
        vision_config=vision or dict(attention_bias=True),
        tie_word_embeddings=False,
    )


_INTERNVIT_6B = dict(
    hidden_size=3200,
    intermediate_size=12800,
    num_hidden_layers=45,
    num_attention_heads=25,
    norm_type='rms_norm',
    use_qk_norm=True,
)
_QWEN3_VL_8B_TOWER = dict(
    depth=27, hidden_size=1152, intermediate_size=4304, deepstack_visual_indexes=[8, 16, 24]
)


_SIGLIP_BASE = dict(
    hidden_size=768,
    intermediate_size=3072,
    num_hidden_layers=12,
    num_attention_heads=12,
    image_size=512,
    patch_size=16,
)
_SIGLIP_SO400M = dict(
    hidden_size=1152,
    intermediate_size=4304,
    num_hidden_layers=27,
    num_attention_heads=16,
    patch_size=14,
)


def _smolvlm(vision: dict[str, Any], scale: int, theta: float, **text: Any) -> dict[str, Any]:
    options = dict(model_type='llama', vocab_size=49280, max_position_embeddings=8192, rms_norm_eps=1e-5)
    rope = dict(rope_type='default', rope_theta=theta)
    return dict(
        text_config=dict(rope_parameters=rope, **options, **text),
        vision_config=vision,
        scale_factor=scale,
        image_token_id=49190,
    )


#: By the name of the folder they are published under: config class, its options, all parameters.
#: The towers of FastVLM, which needs timm, and LLaVA-OneVision are the defaults of their configs.
PUBLISHED: dict[str, tuple[Any, dict[str, Any], int]] = {
    'Qwen2-VL-2B-Instruct': (Qwen2VLConfig, _qwen2_vl('1.5B', 151936, tied=True), 2_208_985_600),
    'Qwen2-VL-7B-Instruct': (Qwen2VLConfig, _qwen2_vl('7B', 152064), 8_291_375_616),
    'Qwen2-VL-72B-Instruct': (Qwen2VLConfig, _qwen2_vl('72B', 152064), 73_405_560_320),
    'Qwen2.5-VL-3B-Instruct': (Qwen2_5_VLConfig, _qwen2_5_vl('3B', 151936, tied=True), 3_754_622_976),
    'Qwen2.5-VL-7B-Instruct': (Qwen2_5_VLConfig, _qwen2_5_vl('7B', 152064), 8_292_166_656),
    'Qwen3-VL-2B-Instruct': (Qwen3VLConfig, _qwen3_vl((2048, 6144, 28, 16, 8)), 2_127_532_032),
    'Qwen3-VL-4B-Instruct': (Qwen3VLConfig, _qwen3_vl((2560, 9728, 36, 32, 8)), 4_437_815_808),
    'Qwen3-VL-8B-Instruct': (
        Qwen3VLConfig,
        _qwen3_vl((4096, 12288, 36, 32, 8), tied=False, **_QWEN3_VL_8B_TOWER),
        8_767_123_696,
    ),
    'FastVLM-0.5B': (
        FastVlmConfig,
        dict(text_config=_qwen2('0.5B', 152000), tie_word_embeddings=True),
        620_361_440,
    ),
    'FastVLM-1.5B': (
        FastVlmConfig,
        dict(text_config=_qwen2('1.5B', 152000), tie_word_embeddings=True),
        1_673_607_776,
    ),
    'FastVLM-7B': (
        FastVlmConfig,
        dict(text_config=_qwen2('7B', 152128), tie_word_embeddings=False),
        7_762_651_744,
    ),
    'llava-onevision-qwen2-0.5b-ov-hf': (
        LlavaOnevisionConfig,
        dict(text_config=_qwen2('0.5B', 152000), tie_word_embeddings=True),
        893_675_552,
    ),
    'llava-onevision-qwen2-7b-ov-hf': (
        LlavaOnevisionConfig,
        dict(text_config=_qwen2('7B', 152128), tie_word_embeddings=False),
        8_030_807_584,
    ),
    'InternVL3-1B-hf': (InternVLConfig, _internvl3('0.5B'), 938_193_024),
    'InternVL3-2B-hf': (InternVLConfig, _internvl3('1.5B'), 2_088_957_440),
    'InternVL3-8B-hf': (InternVLConfig, _internvl3('7B'), 7_944_373_760),
    'InternVL3-78B-hf': (InternVLConfig, _internvl3('72B', **_INTERNVIT_6B), 78_408_318_336),
    'SmolVLM2-256M-Video-Instruct': (
        SmolVLMConfig,
        _smolvlm(
            _SIGLIP_BASE,
            scale=4,
            theta=1e5,
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=30,
            num_attention_heads=9,
            num_key_value_heads=3,
        ),
        256_484_928,
    ),
    'SmolVLM2-500M-Video-Instruct': (
        SmolVLMConfig,
        _smolvlm(
            _SIGLIP_BASE,
            scale=4,
            theta=1e5,
            hidden_size=960,
            intermediate_size=2560,
            num_hidden_layers=32,
            num_attention_heads=15,
            num_key_value_heads=5,
        ),
        507_482_304,
    ),
    'SmolVLM2-2.2B-Instruct': (
        SmolVLMConfig,
        _smolvlm(
            dict(image_size=384, **_SIGLIP_SO400M),
            scale=3,
            theta=1.3e5,
            hidden_size=2048,
            intermediate_size=8192,
            num_hidden_layers=24,
            num_attention_heads=32,
            num_key_value_heads=32,
        ),
        2_246_784_880,
    ),
    'Idefics3-8B-Llama3': (
        Idefics3Config,
        dict(
            text_config=dict(
                model_type='llama',
                vocab_size=128259,
                hidden_size=4096,
                intermediate_size=14336,
                num_hidden_layers=32,
                num_attention_heads=32,
                num_key_value_heads=8,
                max_position_embeddings=131072,
                rms_norm_eps=1e-5,
                rope_parameters=dict(
                    rope_type='llama3',
                    rope_theta=5e5,
                    factor=8.0,
                    low_freq_factor=1.0,
                    high_freq_factor=4.0,
                    original_max_position_embeddings=8192,
                ),
            ),
            vision_config=dict(image_size=364, **_SIGLIP_SO400M),
            scale_factor=2,
            image_token_id=128257,
        ),
        8_462_086_384,
    ),
    'pixtral-12b': (
        LlavaConfig,
        dict(
            text_config=dict(
                model_type='mistral',
                vocab_size=131072,
                hidden_size=5120,
                intermediate_size=14336,
                num_hidden_layers=40,
                num_attention_heads=32,
                num_key_value_heads=8,
                head_dim=128,
                max_position_embeddings=1024000,
                rms_norm_eps=1e-5,
                sliding_window=None,
                rope_parameters=dict(rope_type='default', rope_theta=1e9),
            ),
            vision_config=dict(model_type='pixtral', hidden_act='silu'),
            vision_feature_layer=-1,
            vision_feature_select_strategy='full',
            image_token_index=10,
        ),
        12_682_739_712,
    ),
}


def published_config(name: str, **options: Any) -> Any:
    """Hugging Face config of ``PUBLISHED[name]``, for example with other token ids."""
    kind, sizes, _ = PUBLISHED[name]
    return kind(**sizes, **options)
