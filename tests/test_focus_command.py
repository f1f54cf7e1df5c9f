"""The command ``focus`` and its help."""

import sys

import pytest

import focus_command
import focus_mmdet
from tests.conftest import ROOT


@pytest.fixture
def focus(monkeypatch, capsys):
    """The command ``focus``; returns its exit status and what it printed."""
    monkeypatch.setattr(sys, 'path', list(sys.path))

    def call(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, 'argv', ['focus', *words])
        with pytest.raises(SystemExit) as end:
            focus_command.main()
        return end.value.code, ''.join(capsys.readouterr())

    return call


def test_focus_has_every_tool():
    def scripts(table):
        for command in table.values():
            yield from scripts(command) if isinstance(command, dict) else [command]

    tools = set((ROOT / 'tools').rglob('*.py')) - {ROOT / 'tools/dist_launch.py'}
    assert sorted(scripts(focus_command.commands(ROOT / 'tools'))) == sorted(tools)


@pytest.mark.parametrize(
    ('words', 'status', 'printed'),
    [
        ([], 2, 'usage: focus COMMAND'),
        (['--help'], 0, "train         Train a model: MMDetection's tools/train.py"),
        (['--version'], 0, f'focus_mmdet {focus_mmdet.__version__}'),
        (['convert', '--help'], 0, 'usage: focus convert COMMAND'),
        (['trian'], 2, "focus trian: no such command; did you mean 'train'?"),
        (['export', 'onnx'], 2, 'focus export onnx: no such command; there are huggingface, peft, publish'),
        (['test', '--help'], 0, 'usage: test.py'),
        (['memory', 'gone.py'], 2, 'gone.py: no such config'),
    ],
)
def test_focus_runs_a_tool_or_says_what_there_is(focus, words, status, printed):
    code, text = focus(*words)
    assert code == status
    assert printed in text


def test_ctrl_c_while_libraries_are_imported_ends_without_a_traceback(focus, monkeypatch):
    def interrupted(script, words):
        raise KeyboardInterrupt

    monkeypatch.setattr('focus_mmdet.__main__.run_script', interrupted)
    assert focus('locate') == (130, 'interrupted\n')
