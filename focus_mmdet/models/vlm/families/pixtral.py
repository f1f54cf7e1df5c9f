"""Pixtral: one grid of tokens an image, its lines broken in the prompt, plain positions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

from focus_mmdet.core.places import grid_places
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.families.base import SeenImage, VLMFamily


class Pixtral(VLMFamily):
    """Boxes in thousandths of the image: the model has no unit of its own.

    Images keep their shape, and their size up to the processor's
    ``size.longest_edge``; every 16 x 16 pixels are a visual token.

    Raises:
        InputError: A LLaVA model with another vision part.
    """

    vision_weights = r'model\.(vision_tower|multi_modal_projector)\.'
    projector_weights = r'model\.multi_modal_projector\.'
    stop_token = '</s>'
    image_token = '[IMG]'
    #: The published one knows text by the name of ``content``, and would leave out ours.
    chat_template = (
        "{{ '<s>' }}{% for message in messages %}{{ '[INST]' if message['role'] == 'user' else '' }}"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{{ '[IMG]' if part['type'] == 'image' else part['text'] }}"
        "{% endfor %}{% endif %}{{ '[/INST]' if message['role'] == 'user' else '</s>' }}{% endfor %}"
    )

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        if config.vision_config.model_type != 'pixtral':
            raise InputError(
                f'vision_config of config.json, {config.vision_config.model_type}: of the models of '
                'model_type llava only Pixtral has an adapter'
            )

    def see(self, images: Sequence[np.ndarray], processor: Any) -> list[SeenImage]:
        return [self._seen(image, processor) for image in images]

    def _seen(self, image: np.ndarray, processor: Any) -> SeenImage:
        vision = processor(image, return_tensors='pt')
        height, width = vision['pixel_values'].shape[2:]
        rows, columns = (side // self.config.vision_config.patch_size for side in (height, width))
        return SeenImage(
            tensors={'pixel_values': vision['pixel_values'], 'image_sizes': vision['image_sizes']},
            text='[IMG_BREAK]'.join([self.image_token * columns] * rows) + '[IMG_END]',
            places=grid_places(rows, columns),
            size=(width, height),
        )

    def image_processor(self) -> Any:
        vision = self.config.vision_config
        patch = dict(height=vision.patch_size, width=vision.patch_size)
        return PixtralImageProcessorPil(patch_size=patch, size=dict(longest_edge=vision.image_size))

    def check_processor(self, folder: Path, processor: Any) -> None:
        patch, expected = getattr(processor, 'patch_size', None), self.config.vision_config.patch_size
        if patch not in (expected, dict(height=expected, width=expected)):
            raise InputError(
                f'{folder / "preprocessor_config.json"}: patch_size={patch}, but vision_config.patch_size '
                f'of config.json is {expected}. Copy the file from the published model of this config.json.'
            )

    def join(self, images: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Padded on the right and below to one shape."""
        pixels = [image['pixel_values'] for image in images]
        height, width = (max(each.shape[axis] for each in pixels) for axis in (2, 3))
        padded = [pad(each, (0, width - each.shape[3], 0, height - each.shape[2])) for each in pixels]
        return {
            'pixel_values': torch.cat(padded),
            'image_sizes': torch.cat([image['image_sizes'] for image in images]),
        }
