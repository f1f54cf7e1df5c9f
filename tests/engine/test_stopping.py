"""Stopped, killed or out of disk: what was saved is whole, and goes on."""

import errno
import os
import signal
from pathlib import Path

import pytest
from mmengine.fileio import put
from mmengine.hooks import Hook
from mmengine.runner import Runner

from focus_mmdet.engine.checkpoint_loading import find_readable_checkpoint
from focus_mmdet.engine.graceful_stop_hook import STOPPED
from tests.engine.test_training import assert_equal_weights, trained_weights


class SignalAt(Hook):
    """Send this process a signal in the middle of an iteration."""

    def __init__(self, which, iteration):
        self.which, self.iteration = which, iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            os.kill(os.getpid(), self.which)


@pytest.mark.parametrize('which', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('stage', [1, 2])
def test_a_signal_ends_the_iteration_saves_and_resumes_bit_for_bit(make_config, stage, which):
    whole = make_config(stage, 'whole')
    Runner.from_cfg(whole).train()
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]

    # Iteration 3 is not one that would have been saved.
    config = make_config(stage, 'stopped')
    runner = Runner.from_cfg(config)
    runner.register_hook(SignalAt(which, 2))
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


class FullDisk:
    """Wraps a file that can't take a byte more."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, 'No space left on device')


def test_a_full_disk_leaves_the_file_before_and_no_scraps(tmp_path, monkeypatch):
    path = tmp_path / 'iter_2.pth'
    put(b'good', str(path))
    module = 'focus_mmdet.engine.atomic_backend'
    monkeypatch.setattr(f'{module}.open', lambda *a: FullDisk(open(*a)), raising=False)  # noqa: SIM115
    with pytest.raises(OSError, match='No space left'):
        put(b'newer and longer', str(path))
    assert path.read_bytes() == b'good'
    assert list(tmp_path.iterdir()) == [path]


def test_the_newest_readable_checkpoint_is_found(make_config):
    config = make_config(1, 'broken')
    Runner.from_cfg(config).train()
    newest = Path(config.work_dir) / 'iter_4.pth'
    assert find_readable_checkpoint(config.work_dir) == str(newest)
    newest.write_bytes(newest.read_bytes()[:1000])
    assert find_readable_checkpoint(config.work_dir) == f'{config.work_dir}/iter_2.pth'
    assert find_readable_checkpoint(config.work_dir + '/none') is None
