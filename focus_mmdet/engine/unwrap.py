"""The detector inside whatever wraps it."""

from typing import Any

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn

from focus_mmdet.datasets.collate import NO_TTA
from focus_mmdet.errors import InputError
from focus_mmdet.models.detectors.focus_detector import FocusDetector


def unwrapped(model: nn.Module) -> Any:
    """The detector of whatever kind in a model that DDP may wrap.

    Raises:
        InputError: It is wrapped for test-time augmentation.
    """
    inner = model.module if is_model_wrapper(model) else model
    if isinstance(inner, BaseTTAModel):
        raise InputError(NO_TTA)
    return inner


def detector_of(model: nn.Module) -> FocusDetector:
    """The :class:`FocusDetector` in a model that DDP may wrap.

    Raises:
        InputError: It is another detector, or wrapped for test-time augmentation.
    """
    inner = unwrapped(model)
    if not isinstance(inner, FocusDetector):
        raise InputError(
            f'model.type {type(inner).__name__}: the hooks and the loop of focus_mmdet need a FocusDetector'
        )
    return inner
