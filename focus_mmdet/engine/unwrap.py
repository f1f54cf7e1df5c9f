"""The detector inside whatever wraps it."""

from mmengine.model import is_model_wrapper
from torch import nn

from focus_mmdet.models.focus_detector import FocusDetector


def detector_of(model: nn.Module) -> FocusDetector:
    """The :class:`FocusDetector` in a model that DDP may wrap."""
    inner = model.module if is_model_wrapper(model) else model
    assert isinstance(inner, FocusDetector)
    return inner
