"""MobileNetV2's middle features on one grid, each cell with its place in the image."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, layer_norm, pixel_shuffle, pixel_unshuffle
from transformers import AutoConfig, AutoModel, MobileNetV2Config, MobileNetV2Model
from transformers.modeling_outputs import BaseModelOutput

from focus_mmdet.core.feature_matching import joined_levels

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
    ``hidden_states``, where asked for, are MobileNetV2's as they are.
    """

    config: MobileNetV2GridConfig
    config_class = MobileNetV2GridConfig

    def __init__(self, config: MobileNetV2GridConfig) -> None:
        super().__init__(config, add_pooling_layer=False)
        del self.layer[max(config.levels) + 1 :], self.conv_1x1

    def forward(
        self, pixel_values: Tensor, output_hidden_states: bool = False, **kwargs: Any
    ) -> BaseModelOutput:
        """(N, hidden_size, rows, columns) of (N, 3, H, W) images whose sides are multiples of 32."""
        # On a CPU twice as fast; elsewhere no slower.
        state = self.conv_stem(pixel_values.contiguous(memory_format=torch.channels_last))
        rows, columns = (side // self.config.stride for side in pixel_values.shape[2:])
        parts, states = [], []
        for index, layer in enumerate(self.layer):
            state = layer(state)
            if index in self.config.levels:
                parts.append(_normalized(_on_grid(state, rows, columns)))
            if output_hidden_states:
                states.append(state)
        places = place_grid(rows, columns, self.config.frequencies).to(state)
        parts.append(places.expand(len(state), -1, -1, -1))
        return BaseModelOutput(
            last_hidden_state=torch.cat(parts, 1),
            hidden_states=tuple(states) or None,
        )

    def looks(self, grid: Tensor) -> Tensor:
        """What cells look like, without their places, each level in its own resolution again.

        Args:
            grid: (N, hidden_size, rows, columns) of :meth:`forward`.

        Returns:
            (N, C, finest rows, columns), as :func:`joined_levels` makes them.
        """
        folds = [max(1, self.config.stride // _LEVELS[level][1]) for level in self.config.levels]
        sizes = [_LEVELS[level][0] * fold**2 for level, fold in zip(self.config.levels, folds, strict=True)]
        levels = grid[:, : sum(sizes)].split(sizes, 1)
        return joined_levels([pixel_shuffle(*pair) for pair in zip(levels, folds, strict=True)])


def _on_grid(state: Tensor, rows: int, columns: int) -> Tensor:
    fold = state.shape[2] // rows
    if fold > 1:
        return pixel_unshuffle(state, fold)
    if fold == 0:
        return interpolate(state, size=(rows, columns), mode='bilinear')
    return state


def _normalized(state: Tensor) -> Tensor:
    return layer_norm(state.movedim(1, -1), state.shape[1:2]).movedim(-1, 1)


def place_code(places: Tensor, frequencies: int) -> Tensor:
    """Sines and cosines by which places along an axis are told.

    Args:
        places: (N,) in 0..1 of the image.
        frequencies: F, each twice as high as the one before; the first makes half a turn.

    Returns:
        (2 * F, N), the sines first.
    """
    turns = math.pi * 2.0 ** torch.arange(frequencies)[:, None] * places
    return torch.cat([turns.sin(), turns.cos()])


def place_grid(rows: int, columns: int, frequencies: int) -> Tensor:
    """The code of each cell's centre, down and then across: (4 * frequencies, rows, columns)."""
    y, x = (place_code((torch.arange(count) + 0.5) / count, frequencies) for count in (rows, columns))
    return torch.cat([y[:, :, None].expand(-1, -1, columns), x[:, None].expand(-1, rows, -1)])


AutoConfig.register(MobileNetV2GridConfig.model_type, MobileNetV2GridConfig)
AutoModel.register(MobileNetV2GridConfig, MobileNetV2Grid)
