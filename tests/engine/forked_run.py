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
    os.environ.update(environment)
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    sys.argv = ['train.py', *arguments]
    runpy.run_path(str(ROOT / 'tools/train.py'), run_name='__main__')


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
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    if processes > 1:
        arguments = [*arguments, '--launcher', 'pytorch']
    runs = []
    for rank in range(processes):
        environment = {'CUDA_VISIBLE_DEVICES': ''}
        if processes > 1:
            environment |= {'RANK': str(rank), 'LOCAL_RANK': str(rank), 'WORLD_SIZE': str(processes)}
            environment |= {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': port}
        run = _CONTEXT.Process(
            target=_train, args=(arguments, environment, f'{output}.{rank}', file_limit), daemon=False
        )
        run.start()
        runs.append(run)
    return runs


def finish(runs: list[multiprocessing.Process], timeout: float = 300) -> list[int | None]:
    """Exit statuses; negative where a signal ended one."""
    for run in runs:
        run.join(timeout)
    return [run.exitcode for run in runs]
