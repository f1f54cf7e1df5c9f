"""MobileNetV2's middle features on one grid, each cell with its place in the image."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, layer_norm, pixel_unshuffle
from transformers import AutoConfig, AutoModel, MobileNetV2Config, MobileNetV2Model
from transformers.modeling_outputs import BaseModelOutput

#: Channels and stride of each of MobileNetV2's hidden states, at width 1.
_LEVELS = [
    *[(24, 4)] * 2, *[(32, 8)] * 3, *[(64, 16)] * 4, *[(96, 16)] * 3, *[(160, 32)] * 3, (320, 32),
]  # fmt: skip


class MobileNetV2GridConfig(MobileNetV2Config):
    """MobileNetV2's config, and what is handed out.

    Args:
        levels: Indices into the model's ``hidden_states``.
        frequencies: Sines and cosines by which a cell's place is told, for each axis.
        stride: Pixels of a cell's side; finer levels are folded into its channels, coarser ones interpolated.
    """

    model_type = 'mobilenet_v2_grid'

    def __init__(
        self, levels: tuple[int, ...] = (11, 12), frequencies: int = 6, stride: int = 32, **kwargs: Any
    ) -> None:
        super().__init__(**{'tf_padding': False, 'layer_norm_eps': 1e-5, **kwargs})
        self.levels = list(levels)
        self.frequencies = frequencies
        self.stride = stride
        # A name that FastVLM's projector asks for.
        self.hidden_size = (
            sum(
                channels * max(1, stride // own) ** 2
                for channels, own in (_LEVELS[level] for level in levels)
            )
            + 4 * frequencies
        )


class MobileNetV2Grid(MobileNetV2Model):
    """The tower of a FastVLM: features of several levels for each cell, and sines of the cell's place.

    The decoder's positions count along the rows, so without its place no token knows
    what lies above it. Each level's features are brought to mean 0 and deviation 1.
    """

    config: MobileNetV2GridConfig
    config_class = MobileNetV2GridConfig

    def __init__(self, config: MobileNetV2GridConfig) -> None:
        super().__init__(config, add_pooling_layer=False)
        del self.layer[max(config.levels) + 1 :], self.conv_1x1

    def forward(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutput:
        """(N, hidden_size, rows, columns) of (N, 3, H, W) images whose sides are multiples of 32."""
        # On a CPU twice as fast; elsewhere no slower.
        state = self.conv_stem(pixel_values.contiguous(memory_format=torch.channels_last))
        rows, columns = (side // self.config.stride for side in pixel_values.shape[2:])
        parts = []
        for index, layer in enumerate(self.layer):
            state = layer(state)
            if index in self.config.levels:
                parts.append(_normalized(_on_grid(state, rows, columns)))
        places = _sines(rows, columns, self.config.frequencies).to(state)
        parts.append(places.expand(len(state), -1, -1, -1))
        return BaseModelOutput(last_hidden_state=torch.cat(parts, 1))


def _on_grid(state: Tensor, rows: int, columns: int) -> Tensor:
    fold = state.shape[2] // rows
    if fold > 1:
        return pixel_unshuffle(state, fold)
    if fold == 0:
        return interpolate(state, size=(rows, columns), mode='bilinear')
    return state


def _normalized(state: Tensor) -> Tensor:
    return layer_norm(state.movedim(1, -1), state.shape[1:2]).movedim(-1, 1)


def _sines(rows: int, columns: int, frequencies: int) -> Tensor:
    """(4 * frequencies, rows, columns) of each cell's centre in 0..1 of the image."""
    scales = math.pi * 2.0 ** torch.arange(frequencies)
    y, x = ((torch.arange(count) + 0.5) / count * scales[:, None] for count in (rows, columns))
    tall = torch.cat([y.sin(), y.cos()])[:, :, None].expand(-1, -1, columns)
    wide = torch.cat([x.sin(), x.cos()])[:, None].expand(-1, rows, -1)
    return torch.cat([tall, wide])


AutoConfig.register(MobileNetV2GridConfig.model_type, MobileNetV2GridConfig)
AutoModel.register(MobileNetV2GridConfig, MobileNetV2Grid)
