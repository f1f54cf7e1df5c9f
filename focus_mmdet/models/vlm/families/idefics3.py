"""Idefics3 and SmolVLM: tiles with markers, then the whole image, plain positions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from focus_mmdet.core.places import grid_places
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.families.base import SeenImage, VLMFamily, split_images

_AROUND = '<fake_token_around_image>'


class Idefics3(VLMFamily):
    """Boxes in thousandths of the image: the models have no unit of their own.

    An image is enlarged to the length of four tiles, cut into tiles, and shown
    once more as a whole: as many visual tokens as up to 17 tiles have. In the
    folder's ``preprocessor_config.json``, ``size.longest_edge`` says how far it
    is enlarged, and with ``do_image_splitting=false`` only the whole is seen.
    """

    lora_targets = VLMFamily.lora_targets.replace('language_model', 'text_model')
    vision_weights = r'model\.(vision_model|connector)\.'
    projector_weights = r'model\.connector\.'
    stop_token = '<end_of_utterance>'
    image_token = '<image>'

    def see(self, images: Sequence[np.ndarray], processor: Any) -> list[SeenImage]:
        return [self._seen(image, processor) for image in images]

    def _seen(self, image: np.ndarray, processor: Any) -> SeenImage:
        vision = processor(image, return_row_col_info=True, return_tensors='pt')
        # Tiles are whole squares: their mask, pixel_attention_mask, hides nothing.
        pixels = vision['pixel_values']  # (1, tiles, 3, side, side)
        ((rows,),), ((columns,),) = vision['rows'], vision['cols']
        side, patch = pixels.shape[-1], self.config.vision_config.patch_size
        patches = side // patch
        cells = patches // self.config.scale_factor
        seen = patches * patch / side  # A last patch that does not fit is left out.
        tokens = self.image_token * cells**2
        text, places = '', []
        for row in range(rows):
            for column in range(columns):
                text += f'{_AROUND}<row_{row + 1}_col_{column + 1}>{tokens}'
                window = (column / columns, row / rows, (column + seen) / columns, (row + seen) / rows)
                places.append(grid_places(cells, cells, window))
            text += '\n'
        text += '\n' * bool(rows) + f'{_AROUND}<global-img>{tokens}{_AROUND}'
        places.append(grid_places(cells, cells, (0.0, 0.0, seen, seen)))
        return SeenImage(tensors={'pixel_values': pixels}, text=text, places=torch.cat(places))

    def image_processor(self) -> Any:
        tile = self.config.vision_config.image_size
        return Idefics3ImageProcessorPil(
            size=dict(longest_edge=4 * tile), max_image_size=dict(longest_edge=tile)
        )

    def check_processor(self, folder: Path, processor: Any) -> None:
        found, expected = getattr(processor, 'max_image_size', None), self.config.vision_config.image_size
        if found is None or found['longest_edge'] != expected:
            raise InputError(
                f'{folder / "preprocessor_config.json"}: max_image_size={found}, but '
                f'vision_config.image_size of config.json is {expected}. Copy the file from the published '
                'model of this config.json.'
            )

    def join(self, images: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """All tiles as those of one sample: samples of fewer tiles than others would be padded."""
        return {'pixel_values': torch.cat([image['pixel_values'] for image in images], 1)}

    def image_features(
        self, model: nn.Module, images: Sequence[dict[str, Tensor]], counts: Sequence[int]
    ) -> list[Any]:
        """As by the model's ``get_image_features``, which however leaves out tiles that are all 0.0."""
        parts: Any = model.get_submodule('model')
        tiles = self.join(images)['pixel_values'][0].to(self.vision_parameters(model)[0].dtype)
        return split_images(parts.connector(parts.vision_model(tiles).last_hidden_state), counts)
