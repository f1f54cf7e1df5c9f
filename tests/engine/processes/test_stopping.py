"""Stopped, killed or out of disk: what was saved is whole, and goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from focus_mmdet.engine.checkpoints.loading import find_readable_checkpoint
from focus_mmdet.engine.hooks.graceful_stop import STOPPED
from tests.engine.processes.two_processes import SignalAt
from tests.engine.test_training import assert_equal_weights, trained_weights
from tests.forked_run import finish, last_words, rank_environments, start


@pytest.mark.parametrize('which', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('stage', [1, 2])
def test_a_signal_ends_the_iteration_saves_and_resumes_bit_for_bit(make_config, stage, which):
    whole = make_config(stage, 'whole')
    Runner.from_cfg(whole).train()
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]

    # Iteration 3 is not one that would have been saved.
    config = make_config(stage, 'stopped')
    runner = Runner.from_cfg(config)
    runner.register_hook(SignalAt(which, 3))
    with pytest.raises(SystemExit) as stop:
        runner.train()
    assert stop.value.code == STOPPED
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert find_readable_checkpoint(config.work_dir) == f'{config.work_dir}/iter_3.pth'

    resumed = make_config(stage, 'stopped', resume=True)
    resumed.load_from = f'{config.work_dir}/iter_3.pth'
    resumed.experiment_name += '-resumed'
    resumed.visualizer.name += '-resumed'
    Runner.from_cfg(resumed).train()
    assert_equal_weights(trained_weights(whole.work_dir, 4), trained_weights(resumed.work_dir, 4))


def test_a_run_stops_behind_an_accumulated_step(make_config):
    """Asked twice, and its data workers too, as on a cluster."""
    options = {
        'optim_wrapper.accumulative_counts': 3,
        'default_hooks.checkpoint.interval': 99,
        'train_dataloader': dict(num_workers=1, persistent_workers=True, prefetch_factor=1),
    }
    config = make_config(1, 'stopped', **options)
    config.custom_hooks += [
        dict(type='SignalAt', which=signal.SIGTERM, iteration=1, workers=True),
        dict(type='SignalAt', which=signal.SIGTERM, iteration=2, workers=True),
    ]
    with pytest.raises(SystemExit) as stop:
        Runner.from_cfg(config).train()
    assert stop.value.code == STOPPED
    assert find_readable_checkpoint(config.work_dir) == f'{config.work_dir}/iter_3.pth'


@pytest.mark.parametrize('stop', [False, True])
def test_a_run_with_data_workers_exits(write_config, tmp_path, stop):
    """A real process: it ends its workers by the signal that they do not take from others."""
    hooks = [dict(type='SignalAt', which=int(signal.SIGTERM), iteration=1)] if stop else []
    options = {'train_dataloader': dict(num_workers=1, persistent_workers=True)}
    config = write_config(1, 2, hooks, **options)
    command = [sys.executable, 'tools/train.py', config, '--work-dir', str(tmp_path / 'run')]
    done = subprocess.run(command, env=rank_environments(1)[0], capture_output=True, text=True, timeout=120)
    assert done.returncode == (STOPPED if stop else 0), done.stderr[-3000:]


@pytest.mark.parametrize('iteration', [2, 4])
def test_validation_is_cut_short(make_config, iteration):
    config = make_config(1, 'stopped', **{'train_cfg.val_interval': iteration})
    runner = Runner.from_cfg(config)
    validated = []

    class Ask(Hook):
        def before_val_iter(self, runner, batch_idx, data_batch=None):
            validated.append(batch_idx)
            os.kill(os.getpid(), signal.SIGTERM)

    runner.register_hook(Ask())
    with pytest.raises(SystemExit) as stop:
        runner.train()
    assert (stop.value.code, validated) == (STOPPED, [0])
    assert len(runner.val_dataloader) > 1
    assert find_readable_checkpoint(config.work_dir) == f'{config.work_dir}/iter_{iteration}.pth'


@pytest.mark.parametrize(('stage', 'which', 'rank'), [(1, signal.SIGTERM, 1), (2, signal.SIGINT, 0)])
def test_both_processes_stop_when_one_is_asked(write_config, tmp_path, stage, which, rank):
    def arguments(name, *more, **options):
        return [write_config(stage, 6, **options), '--work-dir', str(tmp_path / name), *more]

    runs = start(arguments('whole'), tmp_path / 'whole.log', 2)
    hooks = [dict(type='SignalAt', which=int(which), iteration=3, rank=rank)]
    stopped = arguments('stopped', hooks=hooks)
    processes = [
        # Real ones: a fork does not end as Python does.
        subprocess.Popen(
            [sys.executable, 'tools/train.py', *stopped, '--launcher', 'pytorch'], env=environment
        )
        for environment in rank_environments(2)
    ]
    assert [process.wait(300) for process in processes] == [STOPPED, STOPPED]
    assert find_readable_checkpoint(str(tmp_path / 'stopped')) == f'{tmp_path}/stopped/iter_3.pth'
    assert finish(runs) == [0, 0], last_words(tmp_path / 'whole.log')
    resumed = start(arguments('stopped', '--resume'), tmp_path / 'resumed.log', 2)
    assert finish(resumed) == [0, 0], last_words(tmp_path / 'resumed.log')
    assert_equal_weights(
        trained_weights(str(tmp_path / 'whole'), 6), trained_weights(str(tmp_path / 'stopped'), 6)
    )


def test_torchrun_is_asked_and_data_workers_stay_for_the_step(write_config, tmp_path):
    """It signals the process group of every rank."""
    config = write_config(
        1,
        100,
        [dict(type='SignalAt', which=int(signal.SIGTERM), iteration=3, launcher=True)],
        **{
            'optim_wrapper.accumulative_counts': 10,
            'train_dataloader.num_workers': 1,
            'default_hooks.checkpoint.interval': 100,
        },
    )
    folder = tmp_path / 'run'
    environment = {**rank_environments(2)[0], 'PYTHON': sys.executable, 'STOP_SECONDS': '120'}
    environment['PORT'] = environment['MASTER_PORT']
    command = ['bash', 'tools/dist_train.sh', config, '2', '--work-dir', str(folder)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == STOPPED
    assert 'DataLoader worker' not in run.stderr
    saved = find_readable_checkpoint(str(folder))
    assert saved is not None, run.stderr[-3000:]
    assert int(Path(saved).stem.removeprefix('iter_')) in range(10, 100, 10)


def test_a_full_disk_leaves_the_checkpoint_before(write_config, tmp_path):
    folder = tmp_path / 'run'
    assert finish(start([write_config(1, 2), '--work-dir', str(folder)], tmp_path / 'first.log')) == [0]
    kept = (folder / 'iter_2.pth').read_bytes()
    more = [write_config(1, 4), '--work-dir', str(folder), '--resume']
    full = start(more, tmp_path / 'full.log', file_limit=len(kept) // 2)
    assert finish(full) == [2]
    assert f'error: {folder}/iter_4.pth: File too large' in (tmp_path / 'full.log.0').read_text()
    assert (folder / 'iter_2.pth').read_bytes() == kept
    assert [path.name for path in folder.glob('*iter*')] == ['iter_2.pth']
    assert finish(start(more, tmp_path / 'again.log')) == [0]
    assert (folder / 'iter_4.pth').is_file()


def test_the_newest_readable_checkpoint_is_found(make_config):
    config = make_config(1, 'broken')
    Runner.from_cfg(config).train()
    newest = Path(config.work_dir) / 'iter_4.pth'
    assert find_readable_checkpoint(config.work_dir) == str(newest)
    newest.write_bytes(newest.read_bytes()[:1000])
    assert find_readable_checkpoint(config.work_dir) == f'{config.work_dir}/iter_2.pth'
    assert find_readable_checkpoint(config.work_dir + '/none') is None


def test_the_checkpoints_of_whole_epochs_are_found_too(tmp_path):
    for number in (9, 10):
        torch.save({'state_dict': {}}, tmp_path / f'epoch_{number}.pth')
    torch.save({'state_dict': {}}, tmp_path / 'best_mIoU_epoch_9.pth')
    assert find_readable_checkpoint(str(tmp_path)) == f'{tmp_path}/epoch_10.pth'
    (tmp_path / 'epoch_10.pth').write_bytes(b'half')
    assert find_readable_checkpoint(str(tmp_path)) == f'{tmp_path}/epoch_9.pth'
