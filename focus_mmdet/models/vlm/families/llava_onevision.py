"""LLaVA-OneVision: each of several images is one padded square, plain positions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
    LlavaOnevisionImageProcessorPil,
)

from focus_mmdet.core.places import grid_places
from focus_mmdet.models.vlm.families.base import SeenImage, VLMFamily, check_squares


class LLaVAOneVision(VLMFamily):
    """Boxes in thousandths of the image.

    The model was taught fractions with two decimals, which are too coarse for
    small objects and which our wording does not have.

    An episode is several images, which the published processor pads to squares
    and does not cut into tiles. A learned token that looks nowhere ends each.
    """

    vision_weights = r'model\.(vision_tower\.|multi_modal_projector\.|image_newline$)'
    projector_weights = r'model\.(multi_modal_projector\.|image_newline$)'
    #: The features are taken before it.
    unused_weights = r'model\.vision_tower\.(vision_model\.)?post_layernorm\.'
    stop_token = '<|im_end|>'
    image_token = '<image>'
    #: The published one writes all images of a message first.
    chat_template = (
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>\\n' }}"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )

    def see(self, images: Sequence[np.ndarray], processor: Any) -> list[SeenImage]:
        # A lone image would be cut into tiles.
        together = list(images) if len(images) > 1 else [*images] * 2
        pixels = processor([together], return_tensors='pt')['pixel_values']
        return [self._seen(*pair) for pair in zip(images, pixels, strict=False)]

    def _seen(self, image: np.ndarray, pixels: Tensor) -> SeenImage:
        """Of an image and its (1, 3, side, side) pixels."""
        height, width = image.shape[:2]
        square = max(height, width)
        left, top = (square - width) // 2, (square - height) // 2
        vision = self.config.vision_config
        grid = vision.image_size // vision.patch_size
        # The tower leaves out the pixels after the last whole patch.
        covered = square * grid * vision.patch_size / vision.image_size
        window = (-left / width, -top / height, (covered - left) / width, (covered - top) / height)
        places = grid_places(grid, grid, window)
        return SeenImage(
            tensors={
                'pixel_values': pixels[None],
                'image_sizes': torch.tensor([[height, width]]),
                # Any number but 1: no tiles.
                'batch_num_images': torch.tensor([2]),
            },
            text=self.image_token * (grid**2 + 1),
            places=torch.cat([places, places.new_full((1, 4), torch.nan)]),
        )

    def image_processor(self) -> Any:
        side = self.config.vision_config.image_size
        return LlavaOnevisionImageProcessorPil(
            size=dict(height=side, width=side), image_mean=[0.5] * 3, image_std=[0.5] * 3
        )

    def check_processor(self, folder: Path, processor: Any) -> None:
        check_squares(folder, processor, 'LlavaOnevisionImageProcessor', self.config.vision_config.image_size)
