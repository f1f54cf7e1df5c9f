"""Turn stage 1's attention loss on."""

from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from focus_mmdet.errors import InputError
from focus_mmdet.models.attention_supervision import AttentionSupervision, Layers, select_layers


@HOOKS.register_module()
class AttentionSupervisionHook(Hook):
    """Arm the head with the in-context attention loss for training.

    A hook sees the outputs only after the step, so it adds no loss itself:
    it tells the head, and the head computes. Without this hook the same
    config is plain supervised fine-tuning.

    Args:
        margin: mu of the paper.
        weight: beta of the paper.
        layers: ``'all'``, ``'first:5'``, ``'last:5'`` or a list of indices.
    """

    def __init__(self, margin: float = 0.025, weight: float = 0.25, layers: Layers = 'all') -> None:
        self.settings = AttentionSupervision(margin, weight, layers)

    def before_train(self, runner: Runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        head: Any = getattr(model, 'bbox_head', None)
        if not hasattr(head, 'attention_supervision'):
            raise InputError('AttentionSupervisionHook needs a FocusDetector with a VLMHead')
        select_layers(self.settings.layers, head.vlm.layers)
        head.attention_supervision = self.settings

    def after_train(self, runner: Runner) -> None:
        model: Any = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model.bbox_head.attention_supervision = None
