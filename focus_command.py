"""The console command ``focus``: what is in ``tools/``, from anywhere.

Beside the package and not in it: importing the package takes seconds, and help should not.
"""

import ast
import difflib
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def read(module: str, name: str) -> Any:
    """What a module of the package, which imports nothing of it, calls by a name."""
    package = find_spec('focus_mmdet')
    assert package is not None
    assert package.origin is not None
    return runpy.run_path(str(Path(package.origin).with_name(f'{module}.py')))[name]


def commands(tools: Path) -> dict[str, Any]:
    """Scripts by what ``focus`` calls them; a group of them is a dict."""
    analysis, exports = tools / 'analysis_tools', tools / 'model_converters'
    return {
        'train': tools / 'train.py',
        'test': tools / 'test.py',
        'locate': tools / 'locate.py',
        'track': tools / 'track.py',
        'page': tools / 'page.py',
        'browse': tools / 'browse_dataset.py',
        'memory': analysis / 'estimate_memory.py',
        'convert': {path.stem: path for path in sorted((tools / 'dataset_converters').glob('*.py'))},
        'export': {
            'huggingface': exports / 'to_huggingface.py',
            'peft': exports / 'to_peft.py',
            'publish': exports / 'publish_model.py',
        },
        'average': exports / 'average.py',
        'compare': analysis / 'compare_checkpoints.py',
        'attention': analysis / 'attention_report.py',
        'headroom': analysis / 'grpo_headroom.py',
        'ablation': analysis / 'ablation.py',
        'calibrate': analysis / 'calibrate_scores.py',
        'zoom': analysis / 'measure_zoom.py',
        'tracking': analysis / 'measure_tracking.py',
        'tune-matcher': analysis / 'tune_feature_matcher.py',
        'mobilenet-v2': exports / 'mobilenet_v2.py',
        'random-model': {'tiny': tools / 'build_tiny_vlm.py', 'small': tools / 'build_small_vlm.py'},
    }


def summary(command: Path | dict[str, Any]) -> str:
    """One line about a command."""
    if isinstance(command, dict):
        return f'One of {", ".join(command)}.'
    text = ast.get_docstring(ast.parse(command.read_text(encoding='utf-8'))) or ''
    return text.splitlines()[0]


def describe(called: str, table: dict[str, Any]) -> str:
    """Help on a table of commands."""
    width = max(map(len, table))
    lines = [f'  {name:{width}}  {summary(command)}' for name, command in table.items()]
    return '\n'.join([f'usage: {called} COMMAND ...\n', *lines, f'\n{called} COMMAND --help says more.'])


def main() -> None:
    """Run the script that the command line names."""
    if sys.argv[1:] == ['--version']:
        print(f'focus_mmdet {read("version", "__version__")}')
        sys.exit(0)
    root: Path = read('shipped', 'SHIPPED')
    command: Any = commands(root / 'tools')
    called, words = 'focus', sys.argv[1:]
    while isinstance(command, dict):
        if not words or words[0] in ('-h', '--help'):
            print(describe(called, command))
            print(f'A config is your own file, or focus_mmdet::NAME.py for NAME.py in {root / "configs"}')
            sys.exit(0 if words else 2)
        word, *words = words
        if word not in command:
            near = difflib.get_close_matches(word, command, n=1)
            advice = f'did you mean {near[0]!r}?' if near else f'there are {", ".join(command)}'
            print(f'error: {called} {word}: no such command; {advice}', file=sys.stderr)
            sys.exit(2)
        command, called = command[word], f'{called} {word}'

    try:
        from focus_mmdet.__main__ import run_script

        run_script(str(command), words)
    except KeyboardInterrupt:
        # Libraries take seconds to import, before the script can answer for itself.
        print('interrupted', file=sys.stderr)
        sys.exit(130)


if __name__ == '__main__':
    main()
