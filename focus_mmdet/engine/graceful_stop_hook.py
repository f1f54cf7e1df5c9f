"""Stop a run when asked to, with nothing lost."""

import logging
import signal
import threading
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_reduce
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

#: Exit status of a run that was asked to stop and can be resumed (EX_TEMPFAIL).
STOPPED = 75


@HOOKS.register_module()
class GracefulStopHook(Hook):
    """On SIGTERM or Ctrl-C: finish the iteration, save, exit with status 75.

    ``--resume`` goes on from there. All ranks stop at the same iteration,
    whichever was asked. A second Ctrl-C stops at once.
    """

    priority = 'LOWEST'  # after the CheckpointHook

    def __init__(self) -> None:
        self._asked: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def before_train(self, runner: Runner) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for which in (signal.SIGTERM, signal.SIGINT):
            self._before[which] = signal.signal(which, self._ask)

    def after_train(self, runner: Runner) -> None:
        self._restore()

    def _ask(self, number: int, frame: Any) -> None:
        self._asked = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        for which, handler in self._before.items():
            signal.signal(which, handler)
        self._before = {}

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        asked = torch.tensor(float(self._asked is not None), device=next(runner.model.parameters()).device)
        all_reduce(asked, op='max')
        if not bool(asked):
            return
        self._restore()
        saver = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
        if saver is not None and not saver.by_epoch:
            saver._save_checkpoint(runner)
        print_log(
            f'Asked to stop: iteration {runner.iter + 1} is finished and saved; go on with --resume',
            'current',
            logging.WARNING,
        )
        raise SystemExit(STOPPED)
