"""How far a tool is: a bar on a terminal, a line now and then in a log file."""

import sys
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TypeVar

from mmengine.utils import ProgressBar

Item = TypeVar('Item')

#: Seconds between two lines where stderr is no terminal.
SECONDS = 10


class Progress:
    """Tells on stderr how much of a task is done.

    Args:
        total: How much there is to do.
        what: Follows the numbers of a line, as ``'MiB of train.json'``.
    """

    def __init__(self, total: int, what: str = '') -> None:
        self.total = total
        self.done = 0
        self._what = f' {what}'.rstrip()
        self._bar = ProgressBar(total, file=sys.stderr) if sys.stderr.isatty() else None
        self._due = monotonic() + SECONDS

    def update(self, count: int = 1) -> None:
        """Say that ``count`` more is done."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
        elif monotonic() >= self._due:
            print(f'{self.done} of {self.total}{self._what}', file=sys.stderr, flush=True)
            self._due = monotonic() + SECONDS

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
