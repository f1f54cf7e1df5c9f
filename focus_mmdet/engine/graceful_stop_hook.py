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
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch.distributed import is_torchelastic_launched
from torch.utils.data import DataLoader

#: Exit status of a run that was asked to stop and can be resumed (EX_TEMPFAIL).
STOPPED = 75


def start_workers_alone(loader: DataLoader) -> None:
    """Keep signals to stop the run from its data workers, which it needs to finish its step.

    torchrun and terminals signal the process group, Slurm and systemd every
    process.
    """
    loader.worker_init_fn = partial(_start_alone, loader.worker_init_fn)


def _start_alone(initialize: Callable[[int], None] | None, worker: int) -> None:
    os.setpgrp()
    if hasattr(signal, 'sigwaitinfo'):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_when_the_parent_asks, daemon=True).start()
    if initialize is not None:
        initialize(worker)


def _end_when_the_parent_asks() -> None:
    """It does so by SIGTERM, too, when it exits itself."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


def _may_be_cut_short(runner: Runner) -> bool:
    """Whether ranks have equally many batches to agree over, and weights are those that train."""
    loader: Any = runner.val_dataloader
    together = get_world_size() == 1 or getattr(loader.sampler, 'round_up', False)
    return together and not any(isinstance(hook, EMAHook) for hook in runner.hooks)


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
