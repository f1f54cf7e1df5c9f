"""Leave out the optimizer steps that would write NaN into the weights."""

import json
import logging
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_gather_object, all_reduce, get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor
from torch.nn.utils import get_total_norm

from focus_mmdet.errors import InputError, check_number
from focus_mmdet.models.vlm.sharding import whole

_KEY = 'train/skipped_steps'


class FiniteSteps:
    """Stands before an optimizer wrapper and skips steps, on all ranks alike.

    Backward passes and the collectives in them take place as ever. Gradients
    that overflow under a dynamic loss scale are left to the scaler, which
    skips the step too and lowers its scale.

    Attributes:
        skipped: Steps not taken.
        in_a_row: Those since the last one taken; steps that the scaler skips
            while it can lower its scale count in ``skipped`` alone.
        loss: Sum of what this process went backward from since it was last read:
            with accumulation, a part of each loss.
    """

    def __init__(self, wrapper: OptimWrapper) -> None:
        self.wrapper = wrapper
        self.skipped = 0
        self.in_a_row = 0
        self.loss: Tensor | float = 0.0
        self._finite: Tensor | bool = True
        self._backward, self._step = wrapper.backward, wrapper.step
        wrapper.backward = self.backward
        # The schedulers look for their own mark on what they find as ``step``.
        wrapper.step = update_wrapper(partial(self.step), self._step)

    def remove(self) -> None:
        self.wrapper.backward, self.wrapper.step = self._backward, self._step

    def backward(self, loss: Tensor, **options: Any) -> None:
        self.loss = self.loss + loss.detach()
        self._finite = loss.detach().isfinite() & self._finite
        self._backward(loss, **options)

    def step(self, **options: Any) -> None:
        groups = self.wrapper.optimizer.param_groups
        gradients = [weight.grad for group in groups for weight in group['params'] if weight.grad is not None]
        largest = whole(get_total_norm(gradients, norm_type=float('inf')))
        bad = torch.stack([~torch.as_tensor(self._finite), ~largest.isfinite()]).float()
        all_reduce(bad, op='max')
        bad_loss, bad_gradient = bad.bool().tolist()
        self._finite = True
        overflow = bad_gradient and not bad_loss and self._scale_can_fall()
        if overflow or not (bad_loss or bad_gradient):
            self._step(**options)
        self.skipped += bad_loss or bad_gradient
        if not overflow:
            self.in_a_row = self.in_a_row + 1 if bad_loss or bad_gradient else 0

    def _scale_can_fall(self) -> bool:
        scaler = getattr(self.wrapper, 'loss_scaler', None)
        if scaler is None or self.wrapper._scale_update_param is not None:
            return False
        return bool(scaler.get_scale() > 1)


@HOOKS.register_module()
class SkipNonFiniteHook(Hook):
    """Skip the optimizer step where a loss or gradient is NaN or infinite.

    The gradients of the step (of all its accumulated iterations) are dropped,
    and ``skipped_steps`` in the log counts it.

    Args:
        max_in_a_row: The run stops after so many, and lists the episodes that
            went into them in ``non_finite.json`` of the work dir.

    Raises:
        InputError: In training, after ``max_in_a_row`` skipped steps.
    """

    def __init__(self, max_in_a_row: int = 5) -> None:
        check_number('SkipNonFiniteHook.max_in_a_row', max_in_a_row, low=1, whole=True)
        self.max_in_a_row = max_in_a_row
        #: Iterations since the last step taken.
        self._suspects: list[dict[str, Any]] = []

    def before_train(self, runner: Runner) -> None:
        self._steps = FiniteSteps(runner.optim_wrapper)
        history = runner.message_hub.log_scalars.get(_KEY)
        self._counted = self._steps.skipped = 0 if history is None else int(history.current())

    def after_train(self, runner: Runner) -> None:
        self._steps.remove()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        runner.message_hub.update_scalar(_KEY, self._steps.skipped)
        if self._steps.skipped > self._counted:
            self._counted = self._steps.skipped
            print_log(
                f'Iteration {runner.iter + 1}: a loss or gradient is NaN or infinite, step skipped',
                'current',
                logging.WARNING,
            )
        self._suspects.append(_describe(runner.iter + 1, data_batch, float(self._steps.loss)))
        self._steps.loss = 0.0
        if self._steps.in_a_row >= self.max_in_a_row:
            self._stop(runner)
        if self._steps.in_a_row == 0 and runner.optim_wrapper.should_update():
            self._suspects.clear()

    def _stop(self, runner: Runner) -> None:
        self._steps.remove()
        path = Path(runner.work_dir) / 'non_finite.json'
        ranks = all_gather_object(self._suspects)
        iterations = [record for rank in ranks for record in rank]
        if is_main_process():
            path.write_text(json.dumps({'iterations': iterations}, indent=1))
        raise InputError(
            f'{self._steps.in_a_row} steps in a row had a loss or gradient that is NaN or infinite; none was '
            f'taken, the weights are as before iteration {self._suspects[0]["iteration"]}. {path} lists the '
            'episodes: look at their images and boxes, or lower optim_wrapper.optimizer.lr and start anew '
            'from a checkpoint (load_from; --resume refuses another learning rate). '
            'default_hooks.finite.max_in_a_row sets the limit'
        )


def _describe(iteration: int, data_batch: Any, loss: float) -> dict[str, Any]:
    """This process's part of an iteration; ``loss`` as text, because JSON knows no NaN, and as
    scaled for accumulation."""
    return {
        'iteration': iteration,
        'rank': get_rank(),
        'loss': str(loss),
        'episodes': [
            {
                'img_id': sample.img_id,
                'query': sample.get('img_path'),
                'supports': [support.get('img_path') for support in sample.get('supports', [])],
            }
            for sample in data_batch['data_samples']
        ],
    }
