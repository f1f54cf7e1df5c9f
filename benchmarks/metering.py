"""Seconds and memory of a step, and a process for it that nothing else has touched."""

import ctypes
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


@contextmanager
def metered(device: str, measured: list[tuple[float, float]]) -> Iterator[None]:
    """Append (seconds, peak bytes above those at the start) of the block.

    On ``'cuda'`` bytes are those of tensors, else what is resident of the process.
    """
    read = clock(device)
    if device == 'cuda':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = float(torch.cuda.memory_allocated())
    else:
        Path('/proc/self/clear_refs').write_text('5')  # the peak starts anew from what is resident
        before = _status('VmRSS')
    started = read()
    yield
    if device == 'cuda':
        torch.cuda.synchronize()
    seconds = read() - started
    peak = float(torch.cuda.max_memory_allocated()) if device == 'cuda' else _status('VmHWM')
    measured.append((seconds, peak - before))


def clock(device: str) -> Callable[[], float]:
    """What tells seconds: on a CPU those that it worked for this process, whatever else runs beside it."""
    return time.perf_counter if device == 'cuda' else time.process_time


def free_at_once() -> None:
    """Have freed memory go back, so that what is resident of this process is what is used: slower.

    A second step then takes what the first one took, less the library code that was read from disk.
    """
    libc = ctypes.CDLL(None)
    for option in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
        libc.mallopt(option, 65536)


def _status(field: str) -> float:
    """Bytes of a field in /proc/self/status."""
    line = next(line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith(field))
    return float(line.split()[1]) * 1024


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function`` returns, in a process whose memory nothing has touched.

    Without a GPU it is a fork, which imports nothing again: call it before this process computes anything.
    """
    context = multiprocessing.get_context('spawn' if torch.cuda.is_available() else 'fork')
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def device_name(device: str) -> str:
    """The card, or the CPU with its threads."""
    return torch.cuda.get_device_name() if device == 'cuda' else f'cpu, {torch.get_num_threads()} threads'
