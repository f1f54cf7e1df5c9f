"""Run the benchmarks, each with its own time limit, and keep their figures in one file a card.

    bash benchmarks/on_gpu.sh                    # every step that has no figures yet
    bash benchmarks/on_gpu.sh grpo rollout       # these, again
    bash benchmarks/on_gpu.sh --rehearse         # every step small on a CPU, to find what would fail
    python benchmarks/measure.py --cpu loader    # a CPU's own figures

Figures lie in benchmarks/results/CARD_TORCH.json, logs beside it in a folder of
that name. A step runs where it is named, or where that file has no figures of
the same command, script and versions. On a GPU all steps together take at most
eight minutes; what is left then is for the next call.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import re
import runpy
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from steps import STEPS, Step

FOLDER = Path(__file__).parent
RESULTS = FOLDER / 'results'
BUDGET = 480  # seconds of all steps on a GPU
REHEARSAL = 300  # seconds of one rehearsed step, which takes some ten, on a busy machine
PACKAGES = ('torch', 'transformers', 'peft', 'trl', 'prefix-grouper', 'mmengine', 'mmdet', 'numpy', 'pillow')


@dataclass(frozen=True)
class Mode:
    """Where the steps run.

    Attributes:
        card: Its name.
        arguments: Of a step; None leaves it out.
        limit: Seconds of a step.
        budget: Seconds of all together.
        start_method: Of processes: ``'fork'`` imports nothing again, which CUDA does not survive.
    """

    card: str
    arguments: Callable[[Step], str | None]
    limit: Callable[[Step], float]
    budget: float
    start_method: str


def choose_mode(rehearse: bool, cpu: bool) -> Mode:
    """As asked for; imports what forked steps need.

    Raises:
        SystemExit: There is no GPU, and nothing else was asked for.
    """
    if rehearse or cpu:
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
        import focus_mmdet.apis  # noqa: F401

        if rehearse:
            return Mode('rehearsal', _rehearsal, lambda _: REHEARSAL, float('inf'), 'fork')
        return Mode('cpu', lambda step: step.cpu, lambda _: float('inf'), float('inf'), 'fork')
    import torch

    if not torch.cuda.is_available():
        raise SystemExit('no GPU here: --rehearse runs every step small on a CPU, --cpu measures the CPU')
    from metering import device_name, in_fresh_process

    card = in_fresh_process(device_name, 'cuda')  # this process shall take nothing of it
    return Mode(card, lambda step: step.gpu, lambda step: step.seconds, BUDGET, 'spawn')


def _rehearsal(step: Step) -> str | None:
    return None if step.gpu is None else step.rehearsal


def versions() -> dict[str, str]:
    """Of Python and of what is installed of ``PACKAGES``."""
    found = {'python': platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _run_script(script: str, arguments: list[str], log: str) -> None:
    """What ``python script arguments`` does in the repository's root, as leader of a group of processes."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with open(log, 'ab') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(FOLDER.parent)
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).parent))
    runpy.run_path(script, run_name='__main__')


def run(script: Path, arguments: Sequence[str], log: Path, limit: float, start_method: str) -> int | None:
    """Run a script to its end or its limit, and end whatever it started.

    Returns:
        Its exit status, negative where a signal ended it; None after the limit.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b'')
    process: Any = multiprocessing.get_context(start_method).Process(  # type: ignore[attr-defined]
        target=_run_script, args=(str(script), list(arguments), str(log))
    )
    process.start()
    try:
        process.join(None if limit == float('inf') else limit)
        status: int | None = process.exitcode
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
    return status


def last_line(log: Path) -> dict[str, Any]:
    """The last line that is JSON, behind which libraries may take their leave; empty without one."""
    for line in reversed(log.read_text(errors='replace').splitlines()):
        if line.startswith('{'):
            with suppress(ValueError):
                return dict(json.loads(line))
    return {}


def measure(step: Step, arguments: str, log: Path, limit: float, start_method: str) -> dict[str, Any]:
    """Run a step: its figures, or what it failed of, with all that tells how they came about."""
    record: dict[str, Any] = identity(step, arguments)
    load, started = os.getloadavg()[0], time.monotonic()
    status = run(FOLDER / step.script, shlex.split(arguments), log, limit, start_method)
    seconds = time.monotonic() - started
    line = last_line(log)
    found = {figure.name: figure.read(line) for figure in step.figures}
    record |= {
        'device': line.get('device', ''),
        'cores': os.cpu_count(),
        'load': round(load, 1),
        'seconds': round(seconds, 1),
    }
    if status is None:
        record['failed'] = f'not done after {limit:.0f} s'
    elif status != 0:
        record['failed'] = f'exit status {status}'
    elif not any(found.values()):
        record['failed'] = 'no figures in its last line'
    return record | {
        'figures': [row for row in found.values() if row],
        'not_measured': [name for name, row in found.items() if row is None],
    }


def identity(step: Step, arguments: str) -> dict[str, Any]:
    """What makes figures those of another measurement."""
    script = hashlib.sha256((FOLDER / step.script).read_bytes()).hexdigest()[:16]
    return {'command': step.command(arguments), 'script': script, 'versions': versions()}


def is_done(record: dict[str, Any], step: Step, arguments: str) -> bool:
    """Are its figures those that it would measure again?"""
    same = all(record.get(key) == value for key, value in identity(step, arguments).items())
    return same and 'failed' not in record


def results_file(folder: Path, card: str) -> Path:
    """Of a card and the torch that is installed."""
    name = re.sub(r'[^a-z0-9]+', '_', card.lower()).strip('_')
    return folder / f'{name}_{version("torch").split("+")[0]}.json'


def save(path: Path, results: dict[str, Any]) -> None:
    """Write all of it, or leave what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix('.part')
    part.write_text(json.dumps(results, indent=1) + '\n')
    part.replace(path)


def report(step: Step, record: dict[str, Any], log: Path) -> None:
    """Print figures, or where a failed step's log ends."""
    print(f'=== {step.name}: {record.get("failed", "done")}, {record["seconds"]:.0f} s', flush=True)
    rows = {row['name']: row for row in record['figures']}
    for figure in step.figures:
        if figure.name not in rows:
            print(f'{figure.name}: not measured')
            continue
        row = rows[figure.name]
        ratio = f' (ratio {row["ratio"]:.3g})' if 'ratio' in row else ''
        kept = '' if figure.is_met(row) else ': MISSED'
        limit = f', {figure.limit}{kept}' if figure.limit else ''
        print(f'{figure.name}: {row["figure"]:.4g} {row["unit"]}{ratio}{limit}')
    if 'failed' in record:
        print('\n'.join(log.read_text(errors='replace').splitlines()[-14:]))
        print(f'all of it: {log}')


def measure_all(steps: Sequence[Step], named: Sequence[str], mode: Mode, folder: Path) -> list[str]:
    """Run what has no figures yet, and keep them after each step; the names of those that failed."""
    path = results_file(folder, mode.card)
    results: dict[str, Any] = {'card': mode.card, 'steps': {}}
    if path.is_file():
        results = json.loads(path.read_text())
    started, failed = time.monotonic(), []
    for step in steps:
        arguments = mode.arguments(step)
        if arguments is None or (named and step.name not in named):
            continue
        if not named and is_done(results['steps'].get(step.name, {}), step, arguments):
            print(f'=== {step.name}: kept')
            continue
        left = mode.budget - (time.monotonic() - started)
        limit = mode.limit(step)
        if left < limit:
            print(f'=== {step.name}: {left:.0f} s are left, it may take {limit:.0f}: call again')
            continue
        log = path.with_suffix('') / f'{step.name}.log'
        record = measure(step, arguments, log, limit, mode.start_method)
        results['steps'][step.name] = record
        save(path, results)
        report(step, record, log)
        failed += [step.name] if 'failed' in record else []
    print(f'{path}: {len(results["steps"])} steps; python benchmarks/results_page.py puts them into the docs')
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = [step.name for step in STEPS]
    parser.add_argument('steps', nargs='*', metavar='STEP', help=f'of {", ".join(names)}; default: all')
    parser.add_argument('--rehearse', action='store_true', help='small, on a CPU; figures are thrown away')
    parser.add_argument('--cpu', action='store_true', help="measure the CPU's own figures")
    parser.add_argument('--results', type=Path, help='folder; default: benchmarks/results')
    args = parser.parse_args()
    if unknown := set(args.steps) - set(names):
        parser.error(f'no such step: {", ".join(sorted(unknown))}; there are {", ".join(names)}')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a running step ends, too
    mode = choose_mode(args.rehearse, args.cpu)
    with tempfile.TemporaryDirectory() as thrown_away:
        folder = args.results or (Path(thrown_away) if args.rehearse else RESULTS)
        if failed := measure_all(STEPS, args.steps, mode, folder):
            raise SystemExit(f'failed: {", ".join(failed)}')


if __name__ == '__main__':
    main()
