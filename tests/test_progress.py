"""Progress fills no log file: a bar is for terminals."""

import io
from collections.abc import Callable

import pytest

from focus_mmdet import progress


class Stderr(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], str]:
    """What 500 items, a tenth of a second each, leave on stderr."""

    def told(terminal: bool) -> str:
        clock, stderr = iter(range(10000)), Stderr(terminal)
        monkeypatch.setattr(progress, 'monotonic', lambda: next(clock) / 10)
        monkeypatch.setattr(progress.sys, 'stderr', stderr)
        assert list(progress.progress(range(500))) == list(range(500))
        return stderr.getvalue()

    return told


def test_a_log_file_gets_a_line_now_and_then(run):
    lines = run(False).splitlines()
    assert 1 <= len(lines) <= 6
    assert lines[0] == '100 of 500'


def test_a_terminal_gets_a_bar(run):
    told = run(True)
    assert '500/500' in told
    assert told.endswith('\n')
