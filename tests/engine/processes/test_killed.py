"""Killed at any moment, resumed, and in the end as if nothing had happened."""

import random
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests import forked_run
from tests.engine.test_training import assert_equal_weights, trained_weights


def saved_files(folder: Path) -> set:
    """Checkpoints, also those being written, with the time of the last write."""
    found = set()
    for path in [*folder.glob('iter_*.pth'), *folder.glob('.*.part')]:
        with suppress(FileNotFoundError):
            found.add((path.name, path.stat().st_mtime_ns))
    return found


def wait_for_saving(run, folder: Path) -> None:
    """Until a checkpoint is being written, or has just been."""
    before = saved_files(folder)
    while run.is_alive() and not saved_files(folder) - before:
        time.sleep(0.001)


def train_and_kill(arguments, folder: Path, processes: int, kills: int, seed: int) -> int:
    """Run to the end, killing ``kills`` times on the way; how often it worked."""
    rng = random.Random(seed)
    killed = 0
    while True:
        runs = forked_run.start([*arguments, '--resume'], folder.with_suffix('.log'), processes)
        if killed >= kills:
            assert forked_run.finish(runs) == [0] * processes, forked_run.last_words(
                folder.with_suffix('.log')
            )
            return killed
        moment = rng.choice(['beginning', 'saving', 'between'])
        if moment == 'beginning':
            time.sleep(rng.uniform(0, 3))
        else:
            wait_for_saving(runs[0], folder)
            time.sleep(rng.uniform(0, 0.5) if moment == 'between' else 0)
        if not runs[0].is_alive() and runs[0].exitcode == 0:
            forked_run.finish(runs)
            return killed
        # One that has not met the others yet would wait for them: only torchrun knows.
        alone = processes > 1 and moment != 'beginning' and rng.random() < 0.5
        for run in [rng.choice(runs)] if alone else runs:
            run.kill()
        assert None not in forked_run.finish(runs, 60), 'who lost the other waits for ever'
        killed += 1


ACCUMULATED = {
    'optim_wrapper.accumulative_counts': 2,
    'train_dataloader.num_workers': 1,
    'train_dataloader.persistent_workers': True,
}


@pytest.mark.parametrize(
    ('stage', 'processes', 'kills', 'options'),
    [
        (1, 1, 3, ACCUMULATED),
        pytest.param(1, 1, 20, {}, marks=pytest.mark.slow),
        pytest.param(2, 1, 20, {}, marks=pytest.mark.slow),
        pytest.param(1, 2, 20, {}, marks=pytest.mark.slow),
        pytest.param(2, 2, 20, {}, marks=pytest.mark.slow),
        pytest.param(1, 2, 20, ACCUMULATED, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_ends_with_the_same_weights(write_config, tmp_path, stage, processes, kills, options):
    max_iters = 5 * kills + kills % 2  # no half step at the end
    config = write_config(stage, max_iters, **options)
    whole, often = tmp_path / 'whole', tmp_path / 'often'
    runs = forked_run.start([config, '--work-dir', str(whole)], tmp_path / 'whole.log', processes)
    assert forked_run.finish(runs, 1200) == [0] * processes, forked_run.last_words(tmp_path / 'whole.log')
    often.mkdir()
    killed = train_and_kill([config, '--work-dir', str(often)], often, processes, kills, seed=kills + stage)
    assert killed == kills
    assert_equal_weights(trained_weights(str(whole), max_iters), trained_weights(str(often), max_iters))
    assert not list(often.glob('.*.part'))
