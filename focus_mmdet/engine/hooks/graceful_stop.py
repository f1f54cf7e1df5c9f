"""Stop a run when asked to, with nothing lost."""

import logging
import signal
import threading
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch.distributed import is_torchelastic_launched

from focus_mmdet.engine.checkpoints.saving import save_now
from focus_mmdet.engine.data_workers import start_workers_alone

#: Exit status of a run that was asked to stop and can be resumed (EX_TEMPFAIL).
STOPPED = 75


def _may_be_cut_short(runner: Runner) -> bool:
    """Whether ranks have equally many batches to agree over, and weights are those that train."""
    loader: Any = runner.val_dataloader
    together = get_world_size() == 1 or getattr(loader.sampler, 'round_up', False)
    return together and not any(isinstance(hook, EMAHook) for hook in runner.hooks)


@HOOKS.register_module()
class GracefulStopHook(Hook):
    """On SIGTERM or Ctrl-C: finish the step, save, end all hooks, exit with status 75.

    ``--resume`` goes on from there. Accumulated iterations are finished with
    their step, because no checkpoint holds their gradients; validation behind
    a finished step is cut short. All ranks stop at the same iteration,
    whichever was asked: they agree once a step. A second Ctrl-C stops at once;
    torchrun passes every signal on to who may have got it already, so under
    torchrun it does not.
    """

    priority = 'LOWEST'  # after the CheckpointHook

    def __init__(self) -> None:
        self._asked = False
        self._training = False
        self._before: dict[signal.Signals, Any] = {}

    def before_train(self, runner: Runner) -> None:
        self._training = True
        if runner.val_loop is not None:
            start_workers_alone(runner.val_loop.dataloader)
        if threading.current_thread() is not threading.main_thread():
            return
        for which in (signal.SIGTERM, signal.SIGINT):
            self._before[which] = signal.signal(which, self._ask)

    def after_train(self, runner: Runner) -> None:
        self._training = False
        if not (self._asked and is_torchelastic_launched()):
            self._restore()

    def _ask(self, number: int, frame: Any) -> None:
        self._asked = True
        # Clusters ask several times; who types Ctrl-C twice means it.
        if number == signal.SIGINT and not is_torchelastic_launched():
            signal.signal(signal.SIGINT, self._before[signal.SIGINT])

    def _restore(self) -> None:
        for which, handler in self._before.items():
            signal.signal(which, handler)
        self._before = {}

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self._stop_if_asked(runner, runner.iter + 1)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if self._training and _may_be_cut_short(runner):
            self._stop_if_asked(runner, runner.iter, 'Validation was not finished: see tools/test.py. ')

    def _stop_if_asked(self, runner: Runner, iterations: int, more: str = '') -> None:
        if not runner.optim_wrapper.should_update():
            return
        asked = torch.tensor(float(self._asked), device=next(runner.model.parameters()).device)
        all_reduce(asked, op='max')
        if not bool(asked):
            return
        print_log(f'Asked to stop. {more}{save_now(runner, iterations)}', 'current', logging.WARNING)
        self._asked = True
        runner.call_hook('after_train')
        raise SystemExit(STOPPED)
