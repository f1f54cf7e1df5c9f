"""The questions a VLM family answers for the rest of the package."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn


class VLMFamily(ABC):
    """Conventions of one family of Hugging Face image-text-to-text models.

    Args:
        config: The model's Hugging Face config.
    """

    #: Regular expression of the linear layers that LoRA adapts.
    lora_targets: str
    #: The token that ends an answer.
    stop_token: str

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def cells(self, resized: tuple[int, int]) -> tuple[int, int]:
        """Largest x and y coordinate in text, given the processor's resized (w, h)."""

    @abstractmethod
    def image_tokens(self, grid_thw: Tensor) -> list[int]:
        """Visual tokens of each image, from its (I, 3) patch grid."""

    @abstractmethod
    def resized_sizes(self, grid_thw: Tensor) -> list[tuple[int, int]]:
        """(width, height) in pixels of each image as the vision tower sees it."""

    @abstractmethod
    def token_grid(self, grid_thw: Tensor) -> list[tuple[int, int]]:
        """(rows, columns) of visual tokens of each image."""

    @abstractmethod
    def vision_tower(self, model: nn.Module) -> nn.Module:
        """The vision part of the model, projector included."""

    @abstractmethod
    def position_ids(
        self, model: nn.Module, input_ids: Tensor, attention_mask: Tensor, grid_thw: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Rotary positions of a padded batch of prompts.

        Returns:
            (3, B, T) positions, and (B,) the position that the token right
            after each prompt takes.
        """

    @property
    def image_token_id(self) -> int:
        return int(self.config.image_token_id)

    def image_mask(self, input_ids: Tensor) -> Tensor:
        """(B, T) bool, True on visual tokens."""
        return torch.eq(input_ids, self.image_token_id)
