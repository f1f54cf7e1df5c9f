"""Tiny configs of both stages."""

import pytest
from mmengine.config import Config

from tests.conftest import ROOT


@pytest.fixture
def make_config(vlm_folder, tmp_path, monkeypatch):
    """A tiny config of a stage: three iterations on real photographs."""
    monkeypatch.chdir(ROOT)

    def make(stage: int, name: str, **options) -> Config:
        config = Config.fromfile(f'configs/focus_tiny_stage{stage}.py')
        photos = config.train_dataloader.dataset.datasets[0].dataset
        photos.episodes.per_track = 4
        config.merge_from_dict(
            {
                'work_dir': str(tmp_path / name),
                'model.pretrained': vlm_folder(),
                'train_dataloader': dict(batch_size=2, num_workers=0, persistent_workers=False),
                'val_dataloader': dict(batch_size=4, num_workers=0),
                'val_dataloader.dataset.episodes': dict(per_track=1),
                'train_cfg.max_iters': 4,
                'train_cfg.val_interval': 100,
                'train_cfg.effective_batch': None,
                'default_hooks.checkpoint.interval': 2,
                'default_hooks.logger.interval': 1,
                'load_from': None,
                'experiment_name': f'{tmp_path.name}-{name}',
                # Visualizers are singletons by name.
                'visualizer.name': f'{tmp_path.name}-{name}',
                'log_level': 'ERROR',
                **options,
            }
        )
        config.train_dataloader.dataset = photos
        return config

    return make


@pytest.fixture
def write_config(make_config, tmp_path):
    """The path of such a config as a file, with a reward that random answers get."""

    def write(stage: int, max_iters: int, hooks=(), validate=False, **options) -> str:
        if stage == 2:
            options['train_cfg.rewards'] = [dict(type='TextReward')]
        imports = dict(imports=['focus_mmdet', 'tests.engine.processes.two_processes'])
        config = make_config(stage, 'run', custom_imports=imports, **options)
        config.train_cfg.max_iters = max_iters
        if not validate:
            config.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
        config.custom_hooks.extend(hooks)
        path = tmp_path / f'config{len(list(tmp_path.glob("config*.py")))}.py'
        config.dump(path)
        return str(path)

    return write
