"""What MMDetection's own interfaces and tools make of our configs: it works, or says what to use."""

import ast
import runpy
import sys
from pathlib import Path

import mmdet
import mmengine
import pytest
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.evaluation.metrics import DumpDetResults
from mmdet.models import DetTTAModel
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.structures import InstanceData

from focus_mmdet.datasets import collate_episodes
from focus_mmdet.engine.unwrap import detector_of
from focus_mmdet.errors import InputError
from tests.conftest import ROOT

CONFIG = 'configs/focus_tiny_stage1.py'
TOOLS = Path(mmdet.__file__).parent / '.mim/tools/analysis_tools'
ANNOTATIONS = str(ROOT / 'data/realset/test.json')


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def saved(tmp_path):
    """Predictions of four episodes, every other one right, as --out writes them."""
    config = Config.fromfile(CONFIG).test_dataloader.dataset
    episodes = DATASETS.build({**config, 'indices': 4})
    dump = DumpDetResults(out_file_path=str(tmp_path / 'out.pkl'))
    for index in range(4):
        sample = episodes[index]['data_samples']
        box = sample.instances[0]['bbox'] if index % 2 == 0 else [0, 0, 1, 1]
        sample.pred_instances = InstanceData(
            bboxes=torch.tensor([box], dtype=torch.float32),
            scores=torch.tensor([0.9]),
            labels=torch.zeros(1, dtype=torch.long),
        )
        dump.process(None, [sample.to_dict()])
    mmengine.dump(dump.results, tmp_path / 'out.pkl')
    return str(tmp_path / 'out.pkl')


def run(monkeypatch, tool, *arguments, options=()):
    options = ['--cfg-options', 'test_dataloader.dataset.indices=4', *options]
    monkeypatch.setattr(sys, 'argv', [tool, CONFIG, *arguments, *options])
    runpy.run_path(str(TOOLS / tool), run_name='__main__')


def test_saved_predictions_are_judged_by_eval_metric(monkeypatch, saved, capfd):
    run(monkeypatch, 'eval_metric.py', saved)
    figures = ast.literal_eval(capfd.readouterr().out.strip().splitlines()[-1].replace('nan', 'None'))
    assert figures['in_context/mIoU'] == pytest.approx(0.5, abs=0.01)
    assert figures['in_context/copy_support_mIoU'] > 0
    assert figures['coco/bbox_mAP_50'] > 0.4
    assert 'in_context/matcher_mIoU' not in figures


def test_a_metric_with_a_file_is_refused_by_eval_metric(monkeypatch, saved):
    with pytest.raises(InputError, match='image ids of a file are no ids of episodes'):
        run(monkeypatch, 'eval_metric.py', saved, options=[f'val_evaluator.1.ann_file={ANNOTATIONS}'])


def test_the_confusion_matrix_is_drawn(monkeypatch, saved, tmp_path):
    run(monkeypatch, 'confusion_matrix.py', saved, str(tmp_path / 'drawn'))
    assert (tmp_path / 'drawn/confusion_matrix.png').stat().st_size > 1000


def test_a_runner_without_our_hooks_refuses_a_metric_with_a_file(tmp_path):
    config = Config.fromfile(CONFIG)
    config.work_dir, config.log_level, config.default_hooks = str(tmp_path), 'ERROR', {}
    config.experiment_name = config.visualizer.name = tmp_path.name
    config.test_evaluator[1].ann_file = ANNOTATIONS
    with pytest.raises(InputError, match='image ids of a file are no ids of episodes'):
        Runner.from_cfg(config).test()


def test_interfaces_for_single_images_name_ours():
    with pytest.raises(InputError, match='InContextInferencer'):
        DetInferencer(CONFIG, device='cpu')
    model = init_detector(CONFIG, device='cpu')
    assert type(model).__name__ == 'FocusDetector'
    with pytest.raises(InputError, match=r'duck_toy_00000\.jpg: comes without supports.*InContextInferencer'):
        inference_detector(model, 'data/realset/images/duck_toy_00000.jpg')


def test_test_time_augmentation_is_refused_with_its_reason(make_detector):
    with pytest.raises(InputError, match='no longer fits its supports'):
        detector_of(DetTTAModel(module=make_detector()))
    with pytest.raises(InputError, match='no longer fits its supports'):
        collate_episodes([{'inputs': [[], []], 'data_samples': [None, None]}])
