"""Data workers that outlive a signal to stop."""

import os
import signal
import threading
from collections.abc import Callable
from functools import partial

from torch.utils.data import DataLoader


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
