"""What broke in data workers is listed by the process that trains."""

import shutil
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook
from mmengine.runner import Runner

from tests.engine.processes.two_processes import SignalAt


class BreakFirstQuery(Hook):
    """After the check of the files, and before the workers start."""

    def before_train(self, runner):
        dataset = runner.train_dataloader.dataset
        first = next(iter(InfiniteSampler(dataset, seed=runner.seed)))
        self.path = dataset.get_data_info(first)['img_path']
        Path(self.path).write_bytes(b'broken')


@pytest.mark.parametrize('stopped', [False, True])
def test_unreadable_images_are_listed_at_the_end(make_config, tmp_path, stopped):
    shutil.copytree('data/realset', tmp_path / 'data')
    config = make_config(1, 'run', **{'train_dataloader.num_workers': 1})
    config.log_level = 'INFO'
    config.train_dataloader.dataset.update(data_root=str(tmp_path / 'data'), max_unreadable=0.02)
    runner = Runner.from_cfg(config)
    hook = BreakFirstQuery()
    runner.register_hook(hook)
    if stopped:
        runner.register_hook(SignalAt(signal.SIGTERM, 3))
    with pytest.raises(SystemExit) if stopped else nullcontext():
        runner.train()
    (log,) = Path(config.work_dir).rglob('*.log')
    text = log.read_text()
    assert f'1 images could not be read, and others took their place:\n  {hook.path}' in text
    assert text.count(f'{hook.path}: cannot be read') == 1, 'warned of once'
