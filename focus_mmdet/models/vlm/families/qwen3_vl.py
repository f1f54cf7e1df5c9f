"""Qwen3-VL: the conventions of Qwen2-VL for still images, and DeepStack."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from focus_mmdet.models.vlm.families.base import split_images
from focus_mmdet.models.vlm.families.qwen2_vl import Qwen2VL


class Qwen3VL(Qwen2VL):
    """Boxes in thousandths again; other patch sizes come from the config.

    The first layers of the language model get further features of each image:
    those of an image are a list of (N, D), its visual tokens first.
    """

    limits = (256**2, 4096**2)
    #: transformers 5.17 keeps the images of a further level in one tensor.
    _together = False

    def image_features(
        self, model: nn.Module, images: Sequence[dict[str, Tensor]], counts: Sequence[int]
    ) -> list[Any]:
        output = self.vision_output(model, images)
        levels = [output.pooler_output, *output.deepstack_features]
        by_level = [split_images(level, counts) for level in levels]
        self._together = isinstance(levels[-1], Tensor)
        return [list(image) for image in zip(*by_level, strict=True)]

    def visual_tokens(self, features: Any) -> Tensor:
        return features[0]

    def joined_features(self, features: Sequence[Any]) -> Any:
        first, *levels = (list(level) for level in zip(*features, strict=True))
        further = [torch.cat(level) for level in levels] if self._together else levels
        return SimpleNamespace(pooler_output=first, deepstack_features=further)
