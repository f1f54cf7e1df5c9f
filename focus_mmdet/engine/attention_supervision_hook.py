"""Turn stage 1's attention loss on."""

from dataclasses import replace
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from focus_mmdet.engine.unwrap import detector_of
from focus_mmdet.errors import check_number
from focus_mmdet.models.attention_supervision import (
    AttentionSupervision,
    Heads,
    Layers,
    select_heads,
    select_layers,
)


@HOOKS.register_module()
class AttentionSupervisionHook(Hook):
    """Arm the head with the in-context attention loss for training.

    A hook sees the outputs only after the step, so it adds no loss itself:
    it tells the head, and the head computes. Without this hook the same
    config is plain supervised fine-tuning.

    Args:
        margin: mu of the paper, in the unit that ``form`` says.
        weight: beta of the paper.
        layers: ``'all'``, ``'first:5'``, ``'last:5'`` or a list of indices.
        heads: ``'all'`` or a list of query-head indices to average over.
        form: ``'per_token'`` (the paper's margin), ``'relative'`` or
            ``'mass'``; see :func:`focus_mmdet.core.attention.margin_loss`.
        rows: Whose attention: ``'query_image'`` or ``'answer'`` tokens.
        columns: To what: ``'box_text'``, ``'box_region'`` or
            ``'support_image'`` tokens.
        warmup_iters: Iterations over which the weight rises linearly.
        stop_iter: Iteration from which the loss is off; None for never.
    """

    def __init__(
        self,
        margin: float = 0.025,
        weight: float = 0.25,
        layers: Layers = 'all',
        heads: Heads = 'all',
        form: str = 'per_token',
        rows: str = 'query_image',
        columns: str = 'box_text',
        warmup_iters: int = 0,
        stop_iter: int | None = None,
    ) -> None:
        self.settings = AttentionSupervision(margin, weight, layers, heads, form, rows, columns)
        check_number('AttentionSupervisionHook.warmup_iters', warmup_iters, low=0, whole=True)
        if stop_iter is not None:
            check_number('AttentionSupervisionHook.stop_iter', stop_iter, low=0, whole=True)
        self.warmup_iters = warmup_iters
        self.stop_iter = stop_iter

    def before_train(self, runner: Runner) -> None:
        head = detector_of(runner.model).bbox_head
        select_layers(self.settings.layers, head.vlm.layers)
        select_heads(self.settings.heads, head.vlm.heads)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Set the weight of this iteration; a stopped loss costs nothing."""
        if self.stop_iter is not None and runner.iter >= self.stop_iter:
            detector_of(runner.model).bbox_head.attention_supervision = None
            return
        rise = min(1.0, (runner.iter + 1) / (self.warmup_iters + 1))
        detector_of(runner.model).bbox_head.attention_supervision = replace(
            self.settings, weight=self.settings.weight * rise
        )

    def after_train(self, runner: Runner) -> None:
        detector_of(runner.model).bbox_head.attention_supervision = None
