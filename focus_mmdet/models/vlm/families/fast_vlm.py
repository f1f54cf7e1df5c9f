"""FastVLM: any convolutional tower, one grid of tokens an image, plain positions."""

from collections.abc import Sequence
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from focus_mmdet.core.places import Window, finer_places, grid_places
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.families.base import SeenImage, VLMFamily
from focus_mmdet.models.vlm.towers import MobileNetV2Grid


class FastVLM(VLMFamily):
    """Boxes in thousandths of the image, or in what ``coordinate_cells`` of the model's
    ``config.json`` says: it has no unit of its own.

    The published processor cuts the middle square out. As in the authors' own
    code, images are padded to squares instead, so that all of them is seen. A
    processor that does not crop is taken at its word, images of other shapes
    than squares included.

    The features of an image are its visual tokens, and the map of its tower: things are compared by what
    that one sees, in which a place of its own says nothing of where it lies.
    """

    vision_weights = r'model\.(vision_tower|multi_modal_projector)\.'
    projector_weights = r'model\.multi_modal_projector\.'
    stop_token = '<|im_end|>'
    image_token = '<image>'
    sees_all_at_once = False
    keeps_features = True
    #: The published one writes all images of a message first.
    chat_template = (
        "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
        "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}"
        "{{ '<|im_start|>' + message['role'] + '\\n' }}"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>\\n' }}"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.largest_coordinate = int(getattr(config, 'coordinate_cells', 1000))
        self._grids: dict[tuple[int, int], tuple[int, int]] = {}

    def see(self, images: Sequence[np.ndarray], processor: Any) -> list[SeenImage]:
        return [self._seen(image, processor) for image in images]

    def resized(self, processor: Any) -> tuple[int, int] | None:
        width, height = (getattr(processor.size, side, None) for side in ('width', 'height'))
        as_given = processor.do_center_crop or getattr(processor, 'do_pad', False) or not processor.do_resize
        return None if as_given or not width or not height else (width, height)

    def _seen(self, image: np.ndarray, processor: Any) -> SeenImage:
        options: dict[str, Any] = {}
        window: Window = (0.0, 0.0, 1.0, 1.0)
        if processor.do_center_crop or getattr(processor, 'do_pad', False):
            image, window = _padded(image, processor.image_mean)
        if processor.do_center_crop:
            options = dict(do_resize=True, size=dict(processor.crop_size), do_center_crop=False)
        pixels = processor(image, return_tensors='pt', **options)['pixel_values']
        rows, columns = self._grid(*pixels.shape[2:])
        return SeenImage(
            tensors={'pixel_values': pixels},
            text=self.image_token * (rows * columns),
            places=grid_places(rows, columns, window),
            cells=(self.largest_coordinate, self.largest_coordinate),
        )

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        """(rows, columns) that the tower makes of an image: asked of itself, without weights."""
        if (height, width) not in self._grids:
            with torch.device('meta'), torch.no_grad():
                features = self._tower(torch.empty(1, 3, height, width)).last_hidden_state
            self._grids[height, width] = tuple(features.shape[2:])
        return self._grids[height, width]

    @cached_property
    def _tower(self) -> nn.Module:
        vision = self.config.vision_config
        try:
            with torch.device('meta'), torch.no_grad():
                tower = AutoModel.from_config(vision).eval()
                dimensions = tower(torch.empty(1, 3, 256, 256)).last_hidden_state.dim()
        except (ImportError, ValueError) as error:
            raise InputError(f'vision_config of config.json, {vision.model_type}: {error}') from error
        if dimensions != 4:
            raise InputError(
                f'vision_config of config.json, {vision.model_type}: FastVLM takes a tower whose '
                'last_hidden_state is a map, (images, channels, rows, columns)'
            )
        return tower

    def image_processor(self) -> Any:
        return CLIPImageProcessorPil(
            size=dict(shortest_edge=1024),
            crop_size=dict(height=1024, width=1024),
            image_mean=[0.0] * 3,
            image_std=[1.0] * 3,
        )

    def image_features(
        self, model: nn.Module, images: Sequence[dict[str, Tensor]], counts: Sequence[int]
    ) -> list[Any]:
        inner: Any = model.model
        tower = inner.vision_tower
        pixels = [image['pixel_values'] for image in images]
        if self.cache is None or any(weight.requires_grad for weight in tower.parameters()):
            maps = _maps(tower, pixels)
        else:
            maps = self.cache(pixels, partial(_maps, tower))
        tokens = torch.cat([each.flatten(1).T for each in maps])
        return list(zip(inner.multi_modal_projector(tokens).split(list(counts)), maps, strict=True))

    def visual_tokens(self, features: Any) -> Tensor:
        return features[0]

    def looks(self, features: Any, places: Tensor) -> tuple[Tensor, Tensor]:
        grid: Tensor = features[1]
        columns = grid.shape[2]
        if isinstance(self._tower, MobileNetV2Grid):
            grid = self._tower.looks(grid[None])[0]
        return grid.flatten(1).T, finer_places(places, columns, grid.shape[2] // columns)

    def joined_features(self, features: Sequence[Any]) -> Any:
        return SimpleNamespace(pooler_output=torch.cat([tokens for tokens, _ in features])[None])


def _padded(image: np.ndarray, mean: Sequence[float]) -> tuple[np.ndarray, Window]:
    """An image in the middle of a square, and the square in 0..1 of the image."""
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.empty((side, side, 3), np.uint8)
    square[:] = [int(value * 255) for value in mean]
    square[top : top + height, left : left + width] = image
    return square, (-left / width, -top / height, (side - left) / width, (side - top) / height)


def _maps(tower: nn.Module, pixels: Sequence[Tensor]) -> list[Tensor]:
    """(C, rows, columns) of each image; images of one shape go through the tower together."""
    dtype = next(tower.parameters()).dtype
    maps: dict[int, Tensor] = {}
    shapes = [image.shape for image in pixels]
    for shape in dict.fromkeys(shapes):
        chosen = [index for index, other in enumerate(shapes) if other == shape]
        images = torch.cat([pixels[index] for index in chosen]).to(dtype)
        # Convolutions of several images at once leave the caches of a CPU.
        parts = images.split(len(images) if images.is_cuda else 1)
        features = torch.cat([tower(part).last_hidden_state for part in parts])
        maps |= dict(zip(chosen, features, strict=True))
    return [maps[index] for index in range(len(pixels))]
