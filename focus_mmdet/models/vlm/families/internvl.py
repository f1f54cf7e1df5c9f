"""InternVL3: tiles and a thumbnail of each image, plain positions."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import (
    GotOcr2ImageProcessorPil,
    get_optimal_tiled_canvas,
)

from focus_mmdet.core.places import Window, grid_places
from focus_mmdet.models.vlm.families.base import SeenImage, VLMFamily, check_squares


class InternVL(VLMFamily):
    """Boxes in thousandths of the image, the model's own unit.

    ``max_patches`` of the folder's ``preprocessor_config.json`` is the most
    tiles of an image; with 1 it is one square alone.
    """

    vision_weights = r'model\.(vision_tower|multi_modal_projector)\.'
    projector_weights = r'model\.multi_modal_projector\.'
    stop_token = '<|im_end|>'
    image_token = '<IMG_CONTEXT>'

    @property
    def _side(self) -> int:
        """Pixels of a tile's side."""
        return int(self.config.vision_config.image_size[0])

    def see(self, images: Sequence[np.ndarray], processor: Any) -> list[SeenImage]:
        return [self._seen(image, processor) for image in images]

    def _seen(self, image: np.ndarray, processor: Any) -> SeenImage:
        # The published model's processor says so, and its image processor's file does not.
        pixels = processor(image, crop_to_patches=True, return_tensors='pt')['pixel_values']
        grid = int(self._side / self.config.vision_config.patch_size[0] * self.config.downsample_ratio)
        windows = self._windows(image, processor)
        return SeenImage(
            tensors={'pixel_values': pixels},
            text=f'<img>{self.image_token * (len(windows) * grid**2)}</img>',
            places=torch.cat([grid_places(grid, grid, window) for window in windows]),
        )

    def _windows(self, image: np.ndarray, processor: Any) -> list[Window]:
        """Of the tiles, row by row, and the thumbnail."""
        columns, rows = get_optimal_tiled_canvas(
            image.shape[:2], (self._side, self._side), processor.min_patches, processor.max_patches
        )
        windows = [
            (column / columns, row / rows, (column + 1) / columns, (row + 1) / rows)
            for row in range(rows)
            for column in range(columns)
        ]
        return windows if len(windows) == 1 else [*windows, (0.0, 0.0, 1.0, 1.0)]

    def joined_features(self, features: Sequence[Any]) -> Any:
        return SimpleNamespace(pooler_output=torch.cat(list(features))[None])

    def image_processor(self) -> Any:
        return GotOcr2ImageProcessorPil(
            size=dict(height=self._side, width=self._side),
            image_mean=IMAGENET_DEFAULT_MEAN,
            image_std=IMAGENET_DEFAULT_STD,
        )

    def check_processor(self, folder: Path, processor: Any) -> None:
        check_squares(folder, processor, 'GotOcr2ImageProcessor', self._side)
