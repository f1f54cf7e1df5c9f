"""Training runs in processes of their own that are cheap to start.

Python's fork server imports everything once; every run is a fork of it, with
a process id that can be killed.
"""

import multiprocessing
import os
import resource
import runpy
import socket
import sys
import time
from pathlib import Path

import focus_mmdet  # noqa: F401  what the fork server is to import once
from tests.conftest import ROOT

_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload([__name__])


def _train(arguments: list[str], environment: dict[str, str], output: str, file_limit: int | None) -> None:
    """What ``python tools/train.py`` does, its output in a file."""
    with open(output, 'ab') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout.reconfigure(line_buffering=True)  # what is killed flushes nothing
    os.environ.update(environment)
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    sys.argv = ['train.py', *arguments]
    runpy.run_path(str(ROOT / 'tools/train.py'), run_name='__main__')


def rank_environments(processes: int) -> list[dict[str, str]]:
    """What torchrun would set for each."""
    common = {**os.environ, 'CUDA_VISIBLE_DEVICES': '', 'PYTHONPATH': str(ROOT)}
    if processes == 1:
        return [common]
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        common |= {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(free.getsockname()[1])}
    ranks = [{'RANK': str(rank), 'LOCAL_RANK': str(rank)} for rank in range(processes)]
    return [{**common, **rank, 'WORLD_SIZE': str(processes)} for rank in ranks]


def start(
    arguments: list[str], output: Path, processes: int = 1, file_limit: int | None = None
) -> list[multiprocessing.Process]:
    """Start tools/train.py on one process, or on several that talk through gloo.

    Args:
        arguments: Of the tool.
        output: What rank 0 prints goes to ``{output}.0``.
        processes: How many.
        file_limit: Bytes that no file may exceed, as on a full disk.
    """
    if processes > 1:
        arguments = [*arguments, '--launcher', 'pytorch']
    runs = []
    for rank, environment in enumerate(rank_environments(processes)):
        inputs = (arguments, environment, f'{output}.{rank}', file_limit)
        run = _CONTEXT.Process(target=_train, args=inputs, daemon=False)
        run.start()
        runs.append(run)
    return runs


def finish(runs: list[multiprocessing.Process], timeout: float = 300) -> list[int | None]:
    """Exit statuses: negative where a signal ended one, None (and killed) where it went on for ever.

    As under torchrun, what happens to one is soon the end of all.
    """
    deadline = time.monotonic() + timeout
    while any(run.is_alive() for run in runs) and time.monotonic() < deadline:
        if any(run.exitcode for run in runs):
            deadline = min(deadline, time.monotonic() + 60)
        time.sleep(0.05)
    statuses = [run.exitcode for run in runs]
    for run in runs:
        run.kill()
        run.join()
    return statuses
