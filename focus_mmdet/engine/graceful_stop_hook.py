"""Stop a run when asked to, with nothing lost."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_reduce
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch.distributed import is_torchelastic_launched
from torch.utils.data import DataLoader

#: Exit status of a run that was asked to stop and can be resumed (EX_TEMPFAIL).
STOPPED = 75


def start_workers_alone(loader: DataLoader) -> None:
    """Keep signals to the process group, as torchrun sends them, from the data workers.

    The run needs these to finish its step, or its validation.
    """
    loader.worker_init_fn = partial(_start_alone, loader.worker_init_fn)


def _start_alone(initialize: Callable[[int], None] | None, worker: int) -> None:
    os.setpgrp()
    if initialize is not None:
        initialize(worker)


def save_now(runner: Runner, iterations: int) -> str:
    """Save a checkpoint after so many finished iterations; says how to go on."""
    saver = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
    if saver is None or saver.by_epoch or iterations == 0:
        return 'Nothing was saved'
    saver._save_checkpoint_with_step(runner, iterations, meta=dict(epoch=runner.epoch, iter=iterations))
    return f'Iteration {iterations} is saved; go on with --resume'


@HOOKS.register_module()
class GracefulStopHook(Hook):
    """On SIGTERM or Ctrl-C: finish the step, save, end all hooks, exit with status 75.

    ``--resume`` goes on from there. Accumulated iterations are finished with
    their step, because no checkpoint holds their gradients. All ranks stop at
    the same iteration, whichever was asked: they agree once a step. A second
    Ctrl-C stops at once; torchrun passes every signal on to who may have got it
    already, so under torchrun it does not.
    """

    priority = 'LOWEST'  # after the CheckpointHook

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def before_train(self, runner: Runner) -> None:
        if runner.val_loop is not None:
            start_workers_alone(runner.val_loop.dataloader)
        if threading.current_thread() is not threading.main_thread():
            return
        for which in (signal.SIGTERM, signal.SIGINT):
            self._before[which] = signal.signal(which, self._ask)

    def after_train(self, runner: Runner) -> None:
        if not (self._asked and is_torchelastic_launched()):
            self._restore()

    def _ask(self, number: int, frame: Any) -> None:
        self._asked = True
        if not is_torchelastic_launched():
            self._restore()

    def _restore(self) -> None:
        for which, handler in self._before.items():
            signal.signal(which, handler)
        self._before = {}

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if not runner.optim_wrapper.should_update():
            return
        asked = torch.tensor(float(self._asked), device=next(runner.model.parameters()).device)
        all_reduce(asked, op='max')
        if not bool(asked):
            return
        print_log(f'Asked to stop. {save_now(runner, runner.iter + 1)}', 'current', logging.WARNING)
        self._asked = True
        runner.call_hook('after_train')
        raise SystemExit(STOPPED)
