"""Killed at any moment, resumed, and in the end as if nothing had happened."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.engine import forked_run
from tests.engine.test_training import assert_equal_weights, trained_weights

EVERY = 2  # iterations between checkpoints


@pytest.fixture
def write_config(make_config, tmp_path):
    """The path of a tiny config on photographs, with what it takes to learn in stage 2."""

    def write(stage: int, max_iters: int, **options) -> str:
        if stage == 2:
            options['train_cfg.rewards'] = [dict(type='TextReward')]
        imports = dict(imports=['focus_mmdet', 'tests.engine.two_processes'])
        config = make_config(stage, 'run', custom_imports=imports, **options)
        config.train_cfg.max_iters = max_iters
        config.train_cfg.val_interval = 10 * max_iters
        config.default_hooks.checkpoint.interval = EVERY
        path = tmp_path / f'stage{stage}.py'
        config.dump(path)
        return str(path)

    return write


def wait_for_saving(runs, folder: Path) -> None:
    """Until a checkpoint is being written, or has just been."""
    before = set(folder.glob('iter_*.pth'))
    while (
        runs[0].is_alive()
        and not list(folder.glob('.*.part'))
        and not set(folder.glob('iter_*.pth')) - before
    ):
        time.sleep(0.001)


def kill(runs, victims) -> None:
    for run in victims:
        if run.is_alive():
            os.kill(run.pid, signal.SIGKILL)
    statuses = forked_run.finish(runs, 60)
    for run in runs:
        if run.is_alive():
            run.kill()
    assert None not in statuses, 'who lost the others must not wait for ever'


def train_and_kill(arguments, folder: Path, processes: int, kills: int, seed: int) -> int:
    """Run to the end, killing ``kills`` times on the way; how often it worked."""
    rng = random.Random(seed)
    killed = 0
    while True:
        runs = forked_run.start([*arguments, '--resume'], folder.with_suffix('.log'), processes)
        if killed >= kills:
            assert forked_run.finish(runs) == [0] * processes, folder.with_suffix('.log.0').read_text()[
                -3000:
            ]
            return killed
        moment = rng.choice(['beginning', 'saving', 'between'])
        if moment == 'beginning':
            time.sleep(rng.uniform(0, 3))
        else:
            wait_for_saving(runs, folder)
            time.sleep(rng.uniform(0, 0.5) if moment == 'between' else 0)
        if not runs[0].is_alive() and runs[0].exitcode == 0:
            forked_run.finish(runs)
            return killed
        # One that has not met the others yet would wait for them: only torchrun knows.
        alone = processes > 1 and moment != 'beginning' and rng.random() < 0.5
        kill(runs, [rng.choice(runs)] if alone else runs)
        killed += 1


@pytest.mark.parametrize(
    ('stage', 'processes', 'kills'),
    [
        (1, 1, 3),
        pytest.param(1, 1, 20, marks=pytest.mark.slow),
        pytest.param(2, 1, 20, marks=pytest.mark.slow),
        pytest.param(1, 2, 20, marks=pytest.mark.slow),
        pytest.param(2, 2, 20, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_ends_with_the_same_weights(write_config, tmp_path, stage, processes, kills):
    max_iters = 5 * kills
    config = write_config(stage, max_iters)
    whole, often = tmp_path / 'whole', tmp_path / 'often'
    runs = forked_run.start([config, '--work-dir', str(whole)], tmp_path / 'whole.log', processes)
    assert forked_run.finish(runs, 1200) == [0] * processes, (tmp_path / 'whole.log.0').read_text()[-3000:]
    often.mkdir()
    killed = train_and_kill([config, '--work-dir', str(often)], often, processes, kills, seed=kills + stage)
    assert killed == kills
    assert_equal_weights(trained_weights(str(whole), max_iters), trained_weights(str(often), max_iters))
    assert not list(often.glob('.*.part'))
