"""Scripts in processes of their own that are cheap to start.

Python's fork server imports everything once; every run is a fork of it, with
a process id that can be killed.
"""

import faulthandler
import multiprocessing
import os
import resource
import runpy
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import focus_mmdet.apis  # noqa: F401  what the fork server is to import once
from tests import plain_config_text  # noqa: F401

ROOT = Path(__file__).parent.parent
_OF_A_LAUNCHER = ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')
_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload([__name__])


def _run(
    script: str, arguments: list[str], environment: dict[str, str], outputs: list[str], file_limit: int | None
) -> None:
    """What ``python script arguments`` does in the repository's root, its outputs in files."""
    for number, output in enumerate(outputs, start=1):
        with open(output, 'ab') as file:
            os.dup2(file.fileno(), number)
    faulthandler.enable()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # what is killed flushes nothing
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    sys.argv = [script, *arguments]
    sys.path.insert(0, os.path.dirname(script))
    runpy.run_path(script, run_name='__main__')


def rank_environments(processes: int) -> list[dict[str, str]]:
    """What torchrun would set for each."""
    # A test that ran tools/train.py in this process has left its LOCAL_RANK.
    common = {name: value for name, value in os.environ.items() if name not in _OF_A_LAUNCHER}
    common |= {'CUDA_VISIBLE_DEVICES': '', 'PYTHONPATH': str(ROOT)}
    if processes == 1:
        return [common]
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        common |= {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(free.getsockname()[1])}
    ranks = [{'RANK': str(rank), 'LOCAL_RANK': str(rank)} for rank in range(processes)]
    return [{**common, **rank, 'WORLD_SIZE': str(processes)} for rank in ranks]


def start(
    arguments: list[str], output: Path, processes: int = 1, file_limit: int | None = None
) -> list[BaseProcess]:
    """Start tools/train.py on one process, or on several that talk through gloo.

    Args:
        arguments: Of the tool.
        output: What rank 0 prints goes to ``{output}.0``, and so on.
        processes: How many.
        file_limit: Bytes that no file may exceed, as on a full disk.
    """
    if processes > 1:
        arguments = [*arguments, '--launcher', 'pytorch']
    runs: list[BaseProcess] = []
    for rank, environment in enumerate(rank_environments(processes)):
        inputs = (str(ROOT / 'tools/train.py'), arguments, environment, [f'{output}.{rank}'] * 2, file_limit)
        run = _CONTEXT.Process(target=_run, args=inputs, daemon=False)
        run.start()
        runs.append(run)
    return runs


def _call(function: Callable[..., None], arguments: tuple, environment: dict[str, str], output: str) -> None:
    with open(output, 'ab') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    faulthandler.enable()
    os.environ.update(environment)
    function(*arguments)


def start_function(
    function: Callable[..., None], *arguments: Any, output: Path, processes: int
) -> list[BaseProcess]:
    """Call a module's function in processes that find each other; prints go as in :func:`start`."""
    runs: list[BaseProcess] = []
    for rank, environment in enumerate(rank_environments(processes)):
        inputs = (function, arguments, environment, f'{output}.{rank}')
        runs.append(_CONTEXT.Process(target=_call, args=inputs, daemon=False))
        runs[-1].start()
    return runs


def last_words(output: Path, length: int = 3000) -> str:
    """How what each of the processes printed ends."""
    logs = sorted(output.parent.glob(f'{output.name}.*'))
    return '\n'.join(f'{log.name}:\n{log.read_text()[-length:]}' for log in logs)


def finish(runs: list[BaseProcess], timeout: float = 300) -> list[int | None]:
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


def run_tool(script: str, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a script of the repository on one process to its end, as ``subprocess.run`` does."""
    with TemporaryDirectory() as folder:
        outputs = [Path(folder) / 'out', Path(folder) / 'err']
        inputs = (str(ROOT / script), list(arguments), rank_environments(1)[0], list(map(str, outputs)), None)
        run = _CONTEXT.Process(target=_run, args=inputs, daemon=False)
        run.start()
        (status,) = finish([run], timeout)
        texts = [path.read_text() for path in outputs]
    return subprocess.CompletedProcess([script, *arguments], -9 if status is None else status, *texts)
