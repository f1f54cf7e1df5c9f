"""The questions a VLM family answers for the rest of the package."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.feature_cache import FeatureCache


@dataclass(frozen=True)
class SeenImage:
    """One image as a family's processor hands it to the model.

    Attributes:
        tensors: This image's part of what ``get_image_features`` takes, by
            argument; :meth:`VLMFamily.join` puts the parts together.
        text: What stands for the image in the prompt, in place of the chat
            template's placeholder: ``image_token`` once for each visual
            token, and whatever the processor writes between and around them.
        places: (N, 4) where each of its N visual tokens looks, in the order of
            the tokens; see :mod:`focus_mmdet.core.places`.
        cells: Largest x and y coordinate by which the model speaks of it.
        size: (width, height) in pixels to which the processor resized it, where
            images keep their shape; None where it makes them what it wants.
    """

    tensors: dict[str, Tensor]
    text: str
    places: Tensor
    cells: tuple[int, int] = (1000, 1000)
    size: tuple[int, int] | None = None


class VLMFamily(ABC):
    """Conventions of one family of Hugging Face image-text-to-text models.

    Args:
        config: The model's Hugging Face config.
    """

    #: Regular expression of the linear layers that LoRA adapts.
    lora_targets = r'.*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)'
    #: Regular expression of the weights of the vision part, its projector included, from the name's start.
    vision_weights: str
    #: Regular expression of those of the projector alone.
    projector_weights: str
    #: Largest of all coordinates in text, of any image.
    largest_coordinate = 1000
    #: Regular expression of those that no output depends on: they never train.
    unused_weights: str | None = None
    #: The token that ends an answer.
    stop_token: str
    #: What a chat template writes for an image, and a visual token in the prompt.
    image_token: str
    #: In place of the folder's, where that one parts images from what is said of them.
    chat_template: str | None = None
    #: Does the model want to be told which tokens are visual (``mm_token_type_ids``)?
    takes_token_types = False
    #: Does the vision part run once for all images of a batch? If not, processes run it differently often.
    sees_all_at_once = True
    #: Does it ask :attr:`cache` for what a frozen tower has made of an image before?
    keeps_features = False

    def __init__(self, config: Any) -> None:
        self.config = config
        self.cache: FeatureCache | None = None

    @abstractmethod
    def see(self, images: Sequence[np.ndarray], processor: Any) -> list[SeenImage]:
        """Process the images of a batch.

        Args:
            images: (H, W, 3) uint8 each, in RGB, of any sizes.
            processor: The folder's image processor.
        """

    @abstractmethod
    def image_processor(self) -> Any:
        """An image processor as it is published with this config, for runs without a folder."""

    def check_processor(self, folder: Path, processor: Any) -> None:  # noqa: B027  most have nothing to check
        """Raise ``InputError`` where a folder's image processor does not fit its model."""

    def resized(self, processor: Any) -> tuple[int, int] | None:
        """(width, height) to which a folder's image processor brings all images; None where that varies."""
        return None

    def join(self, images: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Arguments of ``get_image_features`` from the :attr:`SeenImage.tensors` of all images."""
        return {name: torch.cat([image[name] for image in images]) for name in images[0]}

    def image_features(
        self, model: nn.Module, images: Sequence[dict[str, Tensor]], counts: Sequence[int]
    ) -> list[Any]:
        """What the vision part makes of each image, as :meth:`joined_features` wants it.

        Args:
            model: The Hugging Face model.
            images: :attr:`SeenImage.tensors` of each.
            counts: Visual tokens of each.
        """
        return split_images(self.vision_output(model, images).pooler_output, counts)

    def vision_output(self, model: nn.Module, images: Sequence[dict[str, Tensor]]) -> Any:
        """What the model's own ``get_image_features`` gives for images together."""
        # Not every model brings its input to the type of its weights.
        dtype = self.vision_parameters(model)[0].dtype
        tensors = {
            name: tensor.to(dtype) if tensor.is_floating_point() else tensor
            for name, tensor in self.join(images).items()
        }
        return model.get_image_features(**tensors, return_dict=True)  # type: ignore[operator]

    def visual_tokens(self, features: Any) -> Tensor:
        """(N, D) what the language model gets of an image first, of what :meth:`image_features` gives."""
        return features

    def looks(self, features: Any, places: Tensor) -> tuple[Tensor, Tensor]:
        """By what the places of an image are compared, apart from the language model.

        Args:
            features: Of the image, of what :meth:`image_features` gives.
            places: (N, 4) of its visual tokens.

        Returns:
            (M, C) features, and (M, 4) the places that they are of.
        """
        return self.visual_tokens(features), places

    def joined_features(self, features: Sequence[Any]) -> Any:
        """What the model's own ``get_image_features`` would give for these images together."""
        return SimpleNamespace(pooler_output=list(features))

    def prompt_positions(
        self,
        model: nn.Module,
        input_ids: Tensor,
        attention_mask: Tensor,
        images: Sequence[dict[str, Tensor]],
    ) -> tuple[Tensor, Tensor]:
        """Rotary positions of a padded batch of prompts.

        Args:
            model: The Hugging Face model.
            input_ids: (B, T).
            attention_mask: (B, T) of 0 and 1.
            images: :attr:`SeenImage.tensors` of all images of the batch.

        Returns:
            (B, T) or, for a model with several axes, (axes, B, T) positions,
            and (B,) the position that the token right after each prompt takes.
        """
        return (attention_mask.cumsum(-1) - 1).clamp(min=0), attention_mask.sum(-1)

    def text_positions(self, positions: Tensor) -> Tensor:
        """(B, A) positions of text, as the model takes them beside those of prompts."""
        return positions

    @property
    def image_token_id(self) -> int:
        return int(self.config.image_token_id)

    def image_mask(self, input_ids: Tensor) -> Tensor:
        """(B, T) bool, True on visual tokens."""
        return torch.eq(input_ids, self.image_token_id)

    def vision_parameters(self, model: nn.Module) -> list[nn.Parameter]:
        """Weights of the vision part, projector included."""
        return _named(model, self.vision_weights)

    def freeze_vision(self, model: nn.Module, freeze: bool | str) -> None:
        """Have the vision part train or not.

        Args:
            model: The Hugging Face model.
            freeze: True; False; or ``'tower'``, which leaves the projector to train.
        """
        for weight in self.vision_parameters(model):
            weight.requires_grad_(not freeze)
        if freeze == 'tower':
            for weight in _named(model, self.projector_weights):
                weight.requires_grad_(True)
        if self.unused_weights:
            for weight in _named(model, self.unused_weights):
                weight.requires_grad_(False)


def check_squares(folder: Path, processor: Any, kind: str, side: int) -> None:
    """Check that a folder's image processor makes the squares that its vision tower takes.

    Args:
        folder: Of the model.
        processor: Its image processor.
        kind: What the class of the published one begins with.
        side: Pixels of a square's side.

    Raises:
        InputError: It is of another class, or makes images of another size.
    """
    file = folder / 'preprocessor_config.json'
    found = type(processor).__name__
    if not found.startswith(kind):
        raise InputError(
            f'{file}: a {found}, but the model of config.json takes images of a {kind}. Copy the file from '
            'the published model of this config.json.'
        )
    size = (processor.size.height, processor.size.width)
    if size != (side, side):
        raise InputError(
            f'{file}: size={size}, but vision_config.image_size of config.json is {side}. Copy the file from '
            'the published model of this config.json.'
        )


def _named(model: nn.Module, pattern: str) -> list[nn.Parameter]:
    """Weights whose names begin as ``pattern`` says."""
    return [weight for name, weight in model.named_parameters() if re.match(pattern, name)]


def split_images(features: Any, counts: Sequence[int]) -> list[Tensor]:
    """(N, D) of each image, of features that are one tensor (.., D), or one for each or several images."""
    if not isinstance(features, Tensor):
        if [len(part) for part in features] == list(counts):
            return list(features)
        features = torch.cat(list(features))
    return list(features.flatten(0, -2).split(list(counts)))
