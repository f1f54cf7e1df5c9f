"""Qwen2.5-VL: boxes in pixels of the image that the processor made."""

from focus_mmdet.models.vlm.families.qwen2_vl import Qwen2VL


class Qwen25VL(Qwen2VL):
    largest_coordinate = 9999

    def cells(self, resized: tuple[int, int]) -> tuple[int, int]:
        return resized
