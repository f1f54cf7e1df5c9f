"""Mean IoU of in-context localization, beside an honest baseline."""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from torch import Tensor

from focus_mmdet.core.boxes import paired_iou


@METRICS.register_module()
class InContextMetric(BaseMetric):
    """mIoU, accuracy at IoU thresholds, parse rate and the copy baseline.

    One item per episode. An episode without a predicted box counts 0. Several
    predictions count by their best-scored one. ``copy_support`` answers every
    query with the last support's box, carried over relative to the image; it
    is left out where samples carry no supports (a stock detector's pipeline).

    Args:
        thresholds: IoU thresholds of the accuracies.
    """

    default_prefix = 'in_context'

    def __init__(self, thresholds: Sequence[float] = (0.5, 0.75), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.thresholds = tuple(thresholds)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        for sample in data_samples:
            target = torch.tensor([sample['instances'][0]['bbox']], dtype=torch.float32)
            predicted = sample['pred_instances']
            found = len(predicted['bboxes']) > 0
            iou = 0.0
            if found:
                best = predicted['bboxes'][predicted['scores'].argmax()].cpu()
                iou = float(paired_iou(best[None], target))
            result = {'iou': iou, 'parsed': float(found)}
            if 'supports' in sample:
                result['copied'] = float(paired_iou(_copied_box(sample), target))
            self.results.append(result)

    def compute_metrics(self, results: list[dict[str, float]]) -> dict[str, float]:
        ious = torch.tensor([result['iou'] for result in results])
        copied = [result['copied'] for result in results if 'copied' in result]
        accuracies = {f'acc@{t:g}': float((ious >= t).float().mean()) for t in self.thresholds}
        figures = {
            'mIoU': float(ious.mean()),
            **accuracies,
            'parse_rate': sum(result['parsed'] for result in results) / len(results),
            'episodes': float(len(results)),
        }
        if copied:
            figures['copy_support_mIoU'] = sum(copied) / len(copied)
        return figures


def _copied_box(sample: dict[str, Any]) -> Tensor:
    """(1, 4) the last support's box at the same relative place of the query."""
    support = sample['supports'][-1]
    height, width = support.img_shape[:2]
    box = support.gt_instances.bboxes[:1].cpu() / torch.tensor([width, height, width, height])
    height, width = sample['ori_shape'][:2]
    return box * torch.tensor([width, height, width, height])
