"""MMDetection's metrics over episodes: right, or refused wherever they are used."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from pycocotools.coco import COCO

from focus_mmdet.datasets import EpisodeDataset
from focus_mmdet.datasets.episode import EpisodeNumber
from focus_mmdet.engine.launch import check_inputs
from focus_mmdet.errors import InputError
from tests.conftest import ROOT

FILE = str(ROOT / 'data/realset/test.json')
META = EpisodeDataset.METAINFO


def prediction(img_id, box, found):
    predicted = {'bboxes': [found], 'scores': [0.9], 'labels': [0]}
    return {
        'img_id': EpisodeNumber(img_id),
        'ori_shape': (100, 100),
        'instances': [{'bbox': box, 'bbox_label': 0, 'ignore_flag': 0}],
        'pred_instances': {name: torch.tensor(values) for name, values in predicted.items()},
    }


@pytest.fixture
def predictions():
    """Two right and one wrong."""
    boxes = [[0.0, 0.0, 50.0, 50.0], [10.0, 10.0, 90.0, 90.0], [0.0, 0.0, 40.0, 40.0]]
    return [prediction(i, box, box if i < 2 else [60.0, 60.0, 90.0, 90.0]) for i, box in enumerate(boxes)]


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (dict(type='CocoMetric', ann_file=FILE), 'without ann_file'),
        (dict(type='CocoMetric', ann_file=FILE, format_only=True, outfile_prefix='x'), 'without ann_file'),
        (dict(type='CrowdHumanMetric', ann_file=FILE), 'without ann_file'),
        (dict(type='RefExpMetric', ann_file=FILE), 'without ann_file'),
        (dict(type='VOCMetric'), 'pixels of the resized image'),
    ],
    ids=lambda value: value['type'] if isinstance(value, dict) else '',
)
def test_a_metric_that_would_misjudge_episodes_is_refused(predictions, config, message):
    evaluator = Evaluator([dict(type='InContextMetric'), config])
    with pytest.raises(InputError, match=message):
        evaluator.process(predictions[:1])
    run = Config.fromfile(str(ROOT / 'configs/focus_tiny_stage1.py'))
    run.model.pretrained = str(ROOT / run.model.pretrained)
    run.test_dataloader.dataset.data_root = str(ROOT / 'data/realset')
    several = dict(type='MultiDatasetsEvaluator', metrics=[config], dataset_prefixes=['a'])
    for run.test_evaluator in (config, [config], several):
        with pytest.raises(InputError, match=message):
            check_inputs(run, ['test_dataloader'])


def test_images_of_a_file_may_be_judged_by_it(predictions):
    evaluator = Evaluator(dict(type='CocoMetric', ann_file=FILE))
    evaluator.dataset_meta = META
    evaluator.process([{**prediction, 'img_id': 1} for prediction in predictions])
    assert evaluator.evaluate(3)['coco/bbox_mAP'] >= 0


def test_a_metric_of_the_dataset_itself_is_right_again_and_again(predictions):
    evaluator = Evaluator(dict(type='CocoMetric'))
    for _ in range(2):
        evaluator.dataset_meta = META
        assert evaluator.offline_evaluate(predictions)['coco/bbox_mAP'] == pytest.approx(0.663, abs=0.02)


def test_results_of_episodes_come_with_their_ground_truth(predictions, tmp_path):
    evaluator = Evaluator(dict(type='CocoMetric', format_only=True, outfile_prefix=str(tmp_path / 'out')))
    evaluator.dataset_meta = META
    evaluator.offline_evaluate(predictions)
    found = COCO(str(tmp_path / 'out.gt.json')).loadRes(str(tmp_path / 'out.bbox.json'))
    assert [each['image_id'] for each in found.anns.values()] == [0, 1, 2]
    assert json.loads((tmp_path / 'out.gt.json').read_text())['annotations'][1]['bbox'] == [10, 10, 80, 80]


def test_one_number_for_two_episodes_is_refused(predictions):
    evaluator = Evaluator(dict(type='CocoMetric'))
    evaluator.dataset_meta = META
    with pytest.raises(InputError, match=r'img_id 1 stands for 2 episodes.*MultiDatasetsEvaluator'):
        evaluator.offline_evaluate([*predictions, predictions[1]])
