import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from focus_mmdet.evaluation import InContextMetric


def episode(predicted, scores, target=(0, 0, 10, 10), support=(0, 0, 20, 20), support_shape=(200, 200)):
    given = DetDataSample(metainfo={'img_shape': support_shape})
    given.gt_instances = InstanceData(bboxes=torch.tensor([support], dtype=torch.float32))
    return {
        'instances': [{'bbox': list(target)}],
        'ori_shape': (100, 100),
        'supports': [given],
        'pred_instances': {
            'bboxes': torch.tensor(predicted, dtype=torch.float32).view(-1, 4),
            'scores': torch.tensor(scores),
        },
    }


def test_figures_by_hand():
    metric = InContextMetric()
    metric.process({}, [episode([[0, 0, 10, 10]], [0.9])])
    metric.process({}, [episode([], []), episode([[0, 0, 1, 1], [0, 0, 10, 6]], [0.1, 0.8])])
    figures = metric.evaluate(3)
    assert figures['in_context/mIoU'] == pytest.approx((1 + 0 + 0.6) / 3)
    assert figures['in_context/acc@0.5'] == pytest.approx(2 / 3)
    assert figures['in_context/acc@0.75'] == pytest.approx(1 / 3)
    assert figures['in_context/parse_rate'] == pytest.approx(2 / 3)
    # A support of twice the size: its box is carried over relative to the image.
    assert figures['in_context/copy_support_mIoU'] == pytest.approx(1.0)
    assert figures['in_context/episodes'] == 3
