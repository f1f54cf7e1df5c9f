"""Stand in for mmcv's compiled operators where mmcv-lite is installed.

mmcv-lite ships no ``mmcv._ext``, yet MMDetection imports names from it at
import time. This module puts one in its place whose functions raise when they
are called, all but ``nms``, which is small enough to offer. Datasets,
transforms, evaluation and every detector without RoI operators work with it.
Where a compiled mmcv is present it does nothing.
"""

import importlib.machinery
import importlib.util
import sys
from types import ModuleType
from typing import Any, NoReturn

import torch
from torch import Tensor

_NAME = 'mmcv._ext'


def _nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy non-maximum suppression; kept indices by falling score."""
    order = scores.argsort(descending=True)
    area = (boxes[:, 2:] - boxes[:, :2] + offset).clamp(min=0).prod(-1)
    kept = []
    while order.numel():
        best, rest = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        overlap = (high - low + offset).clamp(min=0).prod(-1)
        order = rest[overlap <= iou_threshold * (area[best] + area[rest] - overlap)]
    return torch.stack(kept) if kept else order


class _MissingOps(ModuleType):
    """A module that has every operator and can run only :func:`_nms`."""

    nms = staticmethod(_nms)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args: object, **kwargs: object) -> NoReturn:
            raise RuntimeError(
                f'mmcv operator {name!r} is compiled code, and mmcv-lite has none. Install full mmcv: '
                'pip uninstall mmcv-lite, then see docs/installing.md.'
            )

        return missing


def install_stand_in() -> bool:
    """Register the stand-in unless ``mmcv._ext`` exists; True if registered."""
    if _NAME in sys.modules or importlib.util.find_spec(_NAME) is not None:
        return False
    module = _MissingOps(_NAME)
    module.__spec__ = importlib.machinery.ModuleSpec(_NAME, loader=None)
    sys.modules[_NAME] = module
    return True


def has_compiled_ops() -> bool:
    """True where mmcv's real operators are installed."""
    return not isinstance(sys.modules.get(_NAME), _MissingOps)
