"""All benchmarks by one command, and the page that their figures make."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.forked_run import run_tool

sys.path.insert(0, str(ROOT / 'benchmarks'))

import measure
from results_page import PAGE, RESULTS, cell, rewritten
from steps import STEPS, Figure, Step

#: Of what only a GPU, a package that the tests do without, or more time shows.
ONLY_ON_A_GPU = {
    "attention: long prompt: weights and all (the paper's figure: 64.1 GB)",
    'grpo: time, against prefix-grouper',
    'grpo: memory, against prefix-grouper',
    *(
        f'stages: {mode}, stage {stage}'
        for mode in ('float32', 'AMP', 'bfloat16, LoRA, checkpointing', 'FSDP2')
        for stage in (1, 2)
    ),
}


def test_every_step_for_a_gpu_is_rehearsed_and_then_kept(tmp_path):
    command = ('benchmarks/measure.py', '--rehearse', '--results', str(tmp_path))
    done = run_tool(*command, timeout=900)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    (path,) = tmp_path.glob('*.json')
    records = json.loads(path.read_text())['steps']
    assert list(records) == [step.name for step in STEPS if step.gpu is not None]
    lacking = {f'{step}: {name}' for step, record in records.items() for name in record['not_measured']}
    assert lacking <= ONLY_ON_A_GPU
    again = run_tool(*command)
    assert again.stdout.count(': kept') == len(records)


def ended(process: Path) -> bool:
    """One that is dead may wait for somebody to take note of it."""
    try:
        return '(sleep) Z' in (process / 'stat').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_what_hangs_ends_with_all_that_it_started(tmp_path):
    script = tmp_path / 'hangs.py'
    script.write_text(
        'import subprocess, time\n'
        "print(subprocess.Popen(['sleep', '300']).pid, flush=True)\n"
        'time.sleep(300)\n'
    )
    log = tmp_path / 'log'
    assert measure.run(script, [], log, limit=5, start_method='spawn') is None
    child = Path('/proc') / log.read_text().strip()
    for _ in range(100):
        if ended(child):
            return
        time.sleep(0.1)
    pytest.fail(f'{child} lives on')


@pytest.fixture
def mode(tmp_path, monkeypatch):
    """Two steps: one that is done, one that fails until there is a file ``mended``."""
    monkeypatch.setattr(measure, 'FOLDER', tmp_path)
    (tmp_path / 'good.py').write_text("""print('{"seconds": 2, "plain": 1}')\n""")
    (tmp_path / 'bad.py').write_text(
        f"""import os\nassert os.path.exists('{tmp_path}/mended')\nprint('{{"seconds": 2}}')\n"""
    )
    return measure.Mode('a card', lambda step: step.gpu, lambda _: 60, 480, 'spawn')


def runs(capsys, *arguments):
    """Names of the steps that ran, and of those that failed."""
    steps = [Step(name, name, f'{name}.py', (Figure('', 'seconds'),)) for name in ('bad', 'good')]
    capsys.readouterr()
    failed = measure.measure_all(steps, *arguments)
    lines = [line[4:] for line in capsys.readouterr().out.splitlines() if line.startswith('=== ')]
    return [line.split(':')[0] for line in lines if 'kept' not in line and 'call again' not in line], failed


def test_a_step_runs_where_it_has_no_figures(mode, tmp_path, capsys):
    results = tmp_path / 'results'
    assert runs(capsys, [], replace(mode, budget=1), results) == ([], [])
    assert runs(capsys, [], mode, results) == (['bad', 'good'], ['bad'])
    (record,) = results.glob('a_card_*.json')
    assert json.loads(record.read_text())['steps']['bad']['failed'] == 'exit status 1'
    assert runs(capsys, [], mode, results) == (['bad'], ['bad'])
    (tmp_path / 'mended').touch()
    assert runs(capsys, [], mode, results) == (['bad'], [])
    assert runs(capsys, [], mode, results) == ([], [])
    assert runs(capsys, ['good'], mode, results) == (['good'], [])
    with open(tmp_path / 'good.py', 'a') as file:
        file.write("print('leaving')\n")
    assert runs(capsys, [], mode, results) == (['good'], [])


@pytest.mark.parametrize(('seconds', 'shown'), [(2.0, '2 s (1.000)'), (2.5, '**2.5 s (1.250)**')])
def test_what_misses_its_limit_is_bold(seconds, shown):
    figure = Figure('a step', 'rows/0/seconds', 's', 'plain', 'plain', at_most=1.05)
    row = figure.read({'rows': [{'seconds': seconds}], 'plain': 2.0})
    assert cell(figure, {'figures': [row]}) == shown
    assert figure.read({'rows': [], 'plain': 2.0}) is None


def test_the_page_shows_the_results():
    page = PAGE.read_text()
    assert page == rewritten(page, RESULTS), 'run python benchmarks/results_page.py'
