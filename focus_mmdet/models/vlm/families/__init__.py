"""What differs between VLM families, one small file each.

To add a family: subclass :class:`VLMFamily` in a file here and list it in
``FAMILIES`` under the ``model_type`` of its Hugging Face config.
"""

from focus_mmdet.models.vlm.families.base import SeenImage, VLMFamily
from focus_mmdet.models.vlm.families.fast_vlm import FastVLM
from focus_mmdet.models.vlm.families.idefics3 import Idefics3
from focus_mmdet.models.vlm.families.internvl import InternVL
from focus_mmdet.models.vlm.families.llava_onevision import LLaVAOneVision
from focus_mmdet.models.vlm.families.pixtral import Pixtral
from focus_mmdet.models.vlm.families.qwen2_5_vl import Qwen25VL
from focus_mmdet.models.vlm.families.qwen2_vl import Qwen2VL
from focus_mmdet.models.vlm.families.qwen3_vl import Qwen3VL

FAMILIES: dict[str, type[VLMFamily]] = {
    'fast_vlm': FastVLM,
    'internvl': InternVL,
    'llava_onevision': LLaVAOneVision,
    'idefics3': Idefics3,
    'llava': Pixtral,
    'qwen2_vl': Qwen2VL,
    'qwen2_5_vl': Qwen25VL,
    'qwen3_vl': Qwen3VL,
    'smolvlm': Idefics3,
}

__all__ = [
    'FAMILIES',
    'FastVLM',
    'Idefics3',
    'InternVL',
    'LLaVAOneVision',
    'Pixtral',
    'Qwen2VL',
    'Qwen3VL',
    'Qwen25VL',
    'SeenImage',
    'VLMFamily',
]
