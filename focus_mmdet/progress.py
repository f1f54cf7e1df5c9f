"""How far a tool is: a bar on a terminal, a line now and then in a log file."""

import sys
from collections.abc import Iterator, Sequence
from math import inf
from time import monotonic
from typing import TypeVar

from mmengine.utils import ProgressBar

Item = TypeVar('Item')

#: Seconds between two lines where stderr is no terminal.
SECONDS = 10


class Progress:
    """Tells on stderr how much of a task is done; as a string it is such a line.

    Args:
        total: How much there is to do; None: not known.
        what: Follows the numbers of a line, as ``'MiB of train.json'``.
        only_on_terminals: No lines where stderr is none.
    """

    def __init__(self, total: int | None, what: str = '', only_on_terminals: bool = False) -> None:
        self.total = total
        self.done = 0
        self._what = f' {what}'.rstrip()
        self._bar = ProgressBar(total or 0, file=sys.stderr) if sys.stderr.isatty() else None
        self._due = inf if only_on_terminals else monotonic() + SECONDS

    def __str__(self) -> str:
        of = '' if self.total is None else f' of {self.total}'
        return f'{self.done}{of}{self._what}'

    def update(self, count: int = 1) -> None:
        """Say that ``count`` more is done."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
        elif monotonic() >= self._due:
            print(self, file=sys.stderr, flush=True)
            self._due = monotonic() + SECONDS

    def clear(self) -> None:
        """Empty the bar's line for what is printed next."""
        if self._bar is not None:
            print('\r\x1b[K', end='', file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar's line."""
        if self._bar is not None:
            print(file=sys.stderr)


def progress(items: Sequence[Item]) -> Iterator[Item]:
    """``items`` one by one, told by :class:`Progress`."""
    told = Progress(len(items))
    for item in items:
        yield item
        told.update()
    told.close()
