"""Tiny models of every VLM family, one small file each."""

from focus_mmdet.models.sizing.tiny_families.fast_vlm import FAST_VLM
from focus_mmdet.models.sizing.tiny_families.idefics3 import IDEFICS3, SMOLVLM
from focus_mmdet.models.sizing.tiny_families.internvl import INTERNVL
from focus_mmdet.models.sizing.tiny_families.llava_onevision import LLAVA_ONEVISION
from focus_mmdet.models.sizing.tiny_families.pixtral import PIXTRAL
from focus_mmdet.models.sizing.tiny_families.qwen_vl import QWEN2_5_VL, QWEN2_VL, QWEN3_VL
from focus_mmdet.models.sizing.tiny_families.tiny_family import TinyFamily

#: By ``model_type``, the default first.
TINY: dict[str, TinyFamily] = {
    'qwen3_vl': QWEN3_VL,
    'qwen2_5_vl': QWEN2_5_VL,
    'qwen2_vl': QWEN2_VL,
    'fast_vlm': FAST_VLM,
    'internvl': INTERNVL,
    'llava_onevision': LLAVA_ONEVISION,
    'smolvlm': SMOLVLM,
    'idefics3': IDEFICS3,
    'llava': PIXTRAL,
}

__all__ = ['TINY', 'TinyFamily']
