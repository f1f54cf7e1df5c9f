"""The base of the quick start does what its card says."""

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from tests.conftest import ROOT

BASE = 'checkpoints/focus-small-base'


def test_it_finds_what_another_crop_of_the_same_photograph_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = Config.fromfile('configs/quickstart/focus_small_base.py')
    config.merge_from_dict({'work_dir': str(tmp_path), 'log_level': 'ERROR', 'model.pretrained': BASE})
    views = {**config.views, 'data_root': config.photos, 'ann_file': 'test.json', 'test_mode': True}
    views['episodes'] = dict(type='SameImageEpisodes', shots=1, per_track=4)
    config.test_dataloader.num_workers = 0
    config.test_dataloader.dataset = views
    config.test_evaluator = dict(type='InContextMetric')
    config.experiment_name = config.visualizer.name = tmp_path.name
    figures = Runner.from_cfg(config).test()
    assert figures['in_context/parse_rate'] == 1
    assert figures['in_context/acc@0.5'] > 0.9


@pytest.mark.parametrize('stage', [1, 2])
def test_the_quick_start_trains_from_it(stage):
    config = Config.fromfile(str(ROOT / f'configs/quickstart/quickstart_stage{stage}.py'))
    assert config.model.pretrained == BASE
