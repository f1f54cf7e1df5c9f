"""Qwen3-VL: the conventions of Qwen2-VL for still images."""

from focus_mmdet.models.vlm.families.qwen2_vl import Qwen2VL


class Qwen3VL(Qwen2VL):
    """Boxes in thousandths again; other patch sizes come from the config."""
