"""Features of whatever vision backbone transformers loads."""

from collections.abc import Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModel, ViTImageProcessorPil
from transformers.utils import is_torchvision_available

from focus_mmdet.core.feature_matching import joined_levels
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.models.vlm.model_folder import reading
from focus_mmdet.shipped import find_shipped

#: What transformers calls the part that sees, in models of images and text.
_EYES = ('vision_model', 'vision_tower', 'visual')


@MODELS.register_module()
class VisionBackbone(nn.Module):
    """A frozen backbone from a local folder: DINOv2, DINOv3, SigLIP, CLIP, ResNet, MobileNetV2 and others.

    Of a folder of CLIP or SigLIP whole, the image half; of a VLM's, such as
    LLaVA-OneVision or FastVLM, the vision tower. transformers'
    ``AutoBackbone`` would name its stages, but knows neither SigLIP, CLIP nor
    MobileNetV2; ``AutoModel`` knows all.

    Args:
        pretrained: The folder, as published.
        level: Which of the model's ``hidden_states``, counted as Python's
            lists; None takes ``last_hidden_state``. In ViTs 0 is what enters
            the first layer and -1 what leaves the last, not normalized; in
            MobileNetV2 11 is torchvision's ``features[13]``. Of several levels each is brought to length
            one, and all to the finest one's rows and columns, one after another in C.

    Raises:
        InputError: No such folder, or none of a model that takes images alone.
    """

    def __init__(self, pretrained: str, level: int | Sequence[int] | None = None) -> None:
        super().__init__()
        if not _levels(level):
            raise InputError(f'model.backbone.level={level!r}: give a level, or several')
        for each in _levels(level):
            if each is not None:
                check_number('model.backbone.level', each, whole=True)
        self.folder = _backbone_folder(pretrained)
        self.level = level
        self.model = _load(self.folder)
        self.processor = _load_processor(self.folder)
        # ViTs of one image size ask to be told that images have another.
        fixed = 'interpolate_pos_encoding' in signature(self.model.forward).parameters
        self._options = {'interpolate_pos_encoding': True} if fixed else {}

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, h, w) features of (N, 3, S, S) uint8 RGB images, whose cells divide the image evenly.

        Raises:
            InputError: The model does not take images of S pixels, or has no
                such level, or not one of rows and columns.
        """
        side = images.shape[-1]
        config = self.model.config
        # 'stride' is what our own tower calls it.
        patch = getattr(config, 'patch_size', getattr(config, 'stride', None))
        if not isinstance(patch, int):
            patch = 1  # Features come in rows and columns, or not at all.
        if side % patch:
            raise InputError(
                f'model.size={side}: {self.folder} cuts images into patches of {patch} pixels; give '
                f'a multiple of it, such as {max(patch, side - side % patch)}'
            )
        pixels = self.processor(
            list(images.cpu()), do_resize=False, do_center_crop=False, return_tensors='pt'
        )
        output = self.model(
            pixel_values=pixels['pixel_values'].to(images.device), output_hidden_states=True, **self._options
        )
        grids = [self._grid_of(level, output, side // patch) for level in _levels(self.level)]
        return grids[0] if len(grids) == 1 else joined_levels(grids)

    def _grid_of(self, level: int | None, output: Any, side: int) -> Tensor:
        """(N, C, h, w) of a level."""
        if level is None:
            return self._as_grid(level, output.last_hidden_state, side)
        # Swin and its kin keep rows and columns in the first of these.
        levels = output.get('reshaped_hidden_states') or output.get('hidden_states') or ()
        if not -len(levels) <= level < len(levels):
            raise InputError(
                f'model.backbone.level={level}: {self.folder} has {len(levels)} levels; give '
                'one below that, or None for its last features'
            )
        return self._as_grid(level, levels[level], side)

    def _as_grid(self, level: int | None, state: Tensor, side: int) -> Tensor:
        """(N, C, h, w) as it is; (N, T, C) as (N, C, side, side), class and register tokens left out."""
        if state.ndim == 3 and side**2 <= state.shape[1]:
            return state[:, -(side**2) :].transpose(1, 2).unflatten(2, (side, side))
        # Channels that come last, as Hiera's, would leave no square.
        if state.ndim == 4 and state.shape[2] == state.shape[3]:
            return state
        raise InputError(
            f'model.backbone.level={level}: {self.folder} gives {tuple(state.shape)} there, which is '
            'not channels and rows and columns of a square image; give another level, or another backbone'
        )


def _levels(level: int | Sequence[int] | None) -> Sequence[int | None]:
    return level if isinstance(level, (list, tuple)) else [level]  # type: ignore[list-item]


def _backbone_folder(pretrained: Any) -> str:
    if not isinstance(pretrained, (str, Path)):
        raise InputError(f'model.backbone.pretrained={pretrained!r}: give the folder of a vision backbone')
    folder = find_shipped(str(pretrained))
    if not (Path(folder) / 'config.json').is_file():
        raise InputError(
            f'model.backbone.pretrained: no model folder at {str(pretrained)!r} (no config.json there). '
            'Download a vision backbone once, for example with\n'
            f'  hf download facebook/dinov2-small --local-dir {pretrained}\n'
            "or turn torchvision's MobileNetV2 into one: tools/model_converters/mobilenet_v2.py"
        )
    return folder


def _load(folder: str) -> Any:
    """The model of a folder, its image half or its vision tower, in float32 and frozen."""
    with reading(folder, 'its weights'):
        whole, info = AutoModel.from_pretrained(
            folder, output_loading_info=True, ignore_mismatched_sizes=True, dtype=torch.float32
        )
    model = next((getattr(whole, part) for part in _EYES if hasattr(whole, part)), whole)
    needed = {
        name
        for name, parameter in signature(model.forward).parameters.items()
        if parameter.default is Parameter.empty and parameter.kind is Parameter.POSITIONAL_OR_KEYWORD
    }
    if not needed <= {'pixel_values'} or 'pixel_values' not in signature(model.forward).parameters:
        raise InputError(
            f'model.backbone.pretrained {folder}: {type(model).__name__} does not take images as they are; '
            'give a vision backbone such as DINOv2, SigLIP, ResNet or MobileNetV2'
        )
    # Poolers are not used, and published backbones often lack theirs.
    lacking = sorted(name for name in info['missing_keys'] if 'pooler' not in name)
    lacking += sorted(name for name, *_ in info['mismatched_keys'])
    if lacking:
        raise InputError(
            f'model.backbone.pretrained {folder}: {len(lacking)} weights that config.json asks for are not '
            f'in it, or have another shape, e.g. {lacking[0]}. Download the folder again'
        )
    return model.eval().requires_grad_(False)


def _load_processor(folder: str) -> Any:
    """The folder's image processor, which knows colours and their scale; it is asked for nothing else."""
    if not (Path(folder) / 'preprocessor_config.json').is_file():
        raise InputError(f'{folder}: no preprocessor_config.json. Copy it from the published model')
    with reading(folder, 'preprocessor_config.json'):
        try:
            return AutoImageProcessor.from_pretrained(folder)
        except (ImportError, ValueError):
            # DINOv3's own differs from ViT's in how it resizes alone.
            if is_torchvision_available():
                raise
            return ViTImageProcessorPil.from_pretrained(folder)
