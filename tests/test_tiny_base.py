"""The shipped base does what its card says."""

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from focus_mmdet.models import FocusDetector
from tests.conftest import ROOT

BASE = 'checkpoints/focus-tiny-base'


@pytest.mark.parametrize('shots', [0, 1])
def test_it_boxes_the_only_object_of_scenes_it_has_never_seen(tmp_path, monkeypatch, shots):
    monkeypatch.chdir(ROOT)
    config = Config.fromfile('configs/focus_tiny_base.py')
    config.merge_from_dict({'work_dir': str(tmp_path), 'log_level': 'ERROR', 'model.pretrained': BASE})
    config.test_dataloader.update(num_workers=0)
    config.test_dataloader.dataset.update(length=48, shots=shots)
    config.experiment_name = config.visualizer.name = f'{tmp_path.name}-{shots}'
    figures = Runner.from_cfg(config).test()
    assert figures['in_context/parse_rate'] == 1
    assert figures['in_context/acc@0.5'] > 0.9


@pytest.mark.parametrize('stage', [1, 2])
def test_the_tiny_configs_start_from_it(stage, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = Config.fromfile(f'configs/focus_tiny_stage{stage}.py')
    assert config.model.pretrained == BASE
    head = {key: value for key, value in config.model.bbox_head.items() if key != 'type'}
    detector = FocusDetector(BASE, bbox_head={'type': 'VLMHead', **head})
    assert sum(weight.numel() for weight in detector.bbox_head.vlm.parameters()) == pytest.approx(
        1.98e6, rel=0.05
    )
