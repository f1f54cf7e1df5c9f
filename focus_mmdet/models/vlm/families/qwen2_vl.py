"""Qwen2-VL: boxes in thousandths of the image, M-RoPE positions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from focus_mmdet.core.places import grid_places
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.families.base import SeenImage, VLMFamily


class Qwen2VL(VLMFamily):
    vision_weights = r'model\.visual\.'
    projector_weights = r'model\.visual\.(merger|deepstack_merger_list)\.'
    stop_token = '<|im_end|>'
    image_token = '<|image_pad|>'
    takes_token_types = True
    #: Smallest and largest image of the published processor, in pixels.
    limits = (56**2, 28**2 * 16384)

    def cells(self, resized: tuple[int, int]) -> tuple[int, int]:
        """Largest x and y coordinate in text, given the processor's resized (w, h)."""
        return 1000, 1000

    def see(self, images: Sequence[np.ndarray], processor: Any) -> list[SeenImage]:
        vision = processor(list(images), return_tensors='pt')
        grids = vision['image_grid_thw']
        pixels = vision['pixel_values'].split(grids.prod(-1).tolist())
        return [self._seen(*pair) for pair in zip(pixels, grids, strict=True)]

    def _seen(self, pixels: Tensor, grid: Tensor) -> SeenImage:
        """Of an image's patches and their numbers in time, height and width."""
        patch, merge = (
            int(getattr(self.config.vision_config, name)) for name in ('patch_size', 'spatial_merge_size')
        )
        rows, columns = (grid[1:] // merge).tolist()
        size = (columns * merge * patch, rows * merge * patch)
        return SeenImage(
            tensors={'pixel_values': pixels, 'image_grid_thw': grid[None]},
            text=self.image_token * (rows * columns),
            places=grid_places(rows, columns),
            cells=self.cells(size),
            size=size,
        )

    def image_processor(self) -> Any:
        vision, (least, most) = self.config.vision_config, self.limits
        return Qwen2VLImageProcessorPil(
            patch_size=vision.patch_size,
            merge_size=vision.spatial_merge_size,
            size=dict(shortest_edge=least, longest_edge=most),
        )

    def check_processor(self, folder: Path, processor: Any) -> None:
        vision = self.config.vision_config
        for name, of_model in (('patch_size', 'patch_size'), ('merge_size', 'spatial_merge_size')):
            found, expected = getattr(processor, name, None), getattr(vision, of_model)
            if found != expected:
                raise InputError(
                    f'{folder / "preprocessor_config.json"}: {name}={found}, but vision_config.{of_model} '
                    f'of config.json is {expected}. Copy the file from the published model of this '
                    'config.json.'
                )

    def prompt_positions(
        self,
        model: nn.Module,
        input_ids: Tensor,
        attention_mask: Tensor,
        images: Sequence[dict[str, Tensor]],
    ) -> tuple[Tensor, Tensor]:
        positions, _ = model.get_submodule('model').get_rope_index(  # type: ignore[operator]
            input_ids=input_ids,
            mm_token_type_ids=self.image_mask(input_ids).int(),
            image_grid_thw=torch.cat([image['image_grid_thw'] for image in images]),
            attention_mask=attention_mask,
        )
        real = positions.masked_fill(attention_mask[None] == 0, -1)
        return positions, torch.amax(real, dim=(0, 2)) + 1

    def text_positions(self, positions: Tensor) -> Tensor:
        return positions.expand(3, -1, -1)
