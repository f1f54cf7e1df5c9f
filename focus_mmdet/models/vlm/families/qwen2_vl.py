"""Qwen2-VL: boxes in thousandths of the image, M-RoPE positions."""

import torch
from torch import Tensor, nn

from focus_mmdet.models.vlm.families.base import VLMFamily


class Qwen2VL(VLMFamily):
    lora_targets = r'.*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)'
    stop_token = '<|im_end|>'

    def cells(self, resized: tuple[int, int]) -> tuple[int, int]:
        return 1000, 1000

    @property
    def _merge(self) -> int:
        return int(self.config.vision_config.spatial_merge_size)

    def image_tokens(self, grid_thw: Tensor) -> list[int]:
        return (grid_thw.prod(-1) // self._merge**2).tolist()

    def resized_sizes(self, grid_thw: Tensor) -> list[tuple[int, int]]:
        patch = int(self.config.vision_config.patch_size)
        return [(width * patch, height * patch) for _, height, width in grid_thw.tolist()]

    def token_grid(self, grid_thw: Tensor) -> list[tuple[int, int]]:
        return [(height // self._merge, width // self._merge) for _, height, width in grid_thw.tolist()]

    def vision_tower(self, model: nn.Module) -> nn.Module:
        return model.get_submodule('model.visual')

    def position_ids(
        self, model: nn.Module, input_ids: Tensor, attention_mask: Tensor, grid_thw: Tensor
    ) -> tuple[Tensor, Tensor]:
        positions, _ = model.get_submodule('model').get_rope_index(  # type: ignore[operator]
            input_ids=input_ids,
            mm_token_type_ids=self.image_mask(input_ids).int(),
            image_grid_thw=grid_thw,
            attention_mask=attention_mask,
        )
        real = positions.masked_fill(attention_mask[None] == 0, -1)
        return positions, torch.amax(real, dim=(0, 2)) + 1
