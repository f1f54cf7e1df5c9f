"""Turn stage 1's attention loss on."""

from dataclasses import replace
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from focus_mmdet.engine.loops.grpo import GRPOTrainLoop
from focus_mmdet.engine.unwrap import detector_of
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.models.heads.attention_supervision import (
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
    config is plain supervised fine-tuning. Several hooks with different names
    add up.

    Args:
        margin: mu of the paper, in the unit that ``form`` says.
        weight: beta of the paper.
        layers: ``'all'``, ``'first:5'``, ``'last:5'`` or a list of indices.
        heads: ``'all'`` or a list of query-head indices to average over.
        form: ``'per_token'`` (the paper's margin), ``'relative'``, ``'mass'``, ``'log'`` or
            ``'away'``; see :func:`focus_mmdet.core.attention.margin_loss`.
        rows: Whose attention: ``'query_image'``, ``'query_region'``, ``'query_outside'``,
            ``'answer'``, ``'answer_opening'``, ``'coordinate'`` or ``'box_end'`` tokens; see
            :class:`AttentionSupervision`.
        columns: To what: ``'box_text'``, ``'box_end'``, ``'box_region'``,
            ``'support_image'``, ``'query_region'``, ``'query_image'`` or ``'query_edge'`` tokens.
        warmup_iters: Iterations over which the weight rises linearly.
        stop_iter: Iteration from which the loss is off; None for never.
        name: Ends the names in the log; needed where there are several hooks.
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
        name: str = '',
    ) -> None:
        self.settings = AttentionSupervision(margin, weight, layers, heads, form, rows, columns, name)
        check_number('AttentionSupervisionHook.warmup_iters', warmup_iters, low=0, whole=True)
        if stop_iter is not None:
            check_number('AttentionSupervisionHook.stop_iter', stop_iter, low=0, whole=True)
            if 0 < stop_iter <= warmup_iters:
                raise InputError(
                    f'AttentionSupervisionHook.stop_iter={stop_iter}: the loss would end before its weight '
                    f'has risen, in warmup_iters={warmup_iters}'
                )
        self.warmup_iters = warmup_iters
        self.stop_iter = stop_iter

    def before_train(self, runner: Runner) -> None:
        """Check the settings against the model and the other hooks.

        Raises:
            InputError: A layer or head that does not exist, a name that
                another hook has, or stage 2, whose loss is another.
        """
        if isinstance(runner.train_loop, GRPOTrainLoop):
            raise InputError('AttentionSupervisionHook is for stage 1: GRPOTrainLoop would not read it')
        head = detector_of(runner.model).bbox_head
        select_layers(self.settings.layers, head.vlm.layers)
        select_heads(self.settings.heads, head.vlm.heads)
        names = [hook.settings.name for hook in runner.hooks if isinstance(hook, AttentionSupervisionHook)]
        if names.count(self.settings.name) > 1:
            raise InputError(
                f'two AttentionSupervisionHook are named {self.settings.name!r}: give each another name=...'
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Set the weight of this iteration; a stopped loss costs nothing."""
        head = detector_of(runner.model).bbox_head
        self._disarm(runner)
        if self.stop_iter is not None and runner.iter >= self.stop_iter:
            return
        rise = min(1.0, (runner.iter + 1) / (self.warmup_iters + 1))
        armed = replace(self.settings, weight=self.settings.weight * rise)
        head.attention_supervision = (*head.attention_supervision, armed)

    def after_train(self, runner: Runner) -> None:
        self._disarm(runner)

    def _disarm(self, runner: Runner) -> None:
        head = detector_of(runner.model).bbox_head
        head.attention_supervision = tuple(
            armed for armed in head.attention_supervision if armed.name != self.settings.name
        )
