"""Mean IoU of in-context localization, beside honest baselines."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from torch import Tensor

from focus_mmdet.core.boxes import paired_iou

_MATCHER_SCALES = (0.5, 0.6, 0.72, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0)


@METRICS.register_module()
class InContextMetric(BaseMetric):
    """mIoU, accuracy at IoU thresholds, parse rate and baselines.

    One item per episode. An episode without a predicted box counts 0. Several
    predictions count by their best-scored one. Baselines, each where samples
    carry what it needs:

    - ``copy_support_mIoU``: the last support's box, carried over relative to
      the image;
    - ``fixed_box_mIoU``: the median of all true boxes, relative to the image:
      about the best that one box for all can do;
    - ``matcher_mIoU``: normalized correlation with the last support's crop,
      over scales, with no training.

    Where samples carry ``distractors``, also what was chosen: ``choice`` is
    the share of answers that overlap the target more than any other object,
    ``any_object@0.5`` of those that reach IoU 0.5 with some object, and
    ``random_object_mIoU`` what pointing at a random object would give.

    Args:
        thresholds: IoU thresholds of the accuracies.
        matcher: Run the matcher too; it takes a few milliseconds a query.
    """

    default_prefix = 'in_context'

    def __init__(
        self, thresholds: Sequence[float] = (0.5, 0.75), matcher: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.thresholds = tuple(thresholds)
        self.matcher = matcher

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        for index, sample in enumerate(data_samples):
            target = torch.tensor(sample['instances'][0]['bbox'], dtype=torch.float32)
            predicted = sample['pred_instances']
            found = len(predicted['bboxes']) > 0
            box = predicted['bboxes'][predicted['scores'].argmax()].cpu() if found else torch.zeros(4)
            height, width = sample['ori_shape'][:2]
            size = torch.tensor([width, height] * 2)
            result = {'iou': _iou(box, target), 'parsed': float(found), 'box': (target / size).tolist()}
            if sample.get('supports'):
                result['copy_support'] = _iou(_copied_box(sample), target)
                if self.matcher:
                    images = data_batch['inputs'][index]
                    result['matcher'] = _iou(_matched_box(images, sample), target)
            if sample.get('distractors'):
                result |= _choice(box, target, torch.tensor(sample['distractors']))
            self.results.append(result)

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        ious = torch.tensor([result['iou'] for result in results])
        figures = {
            'mIoU': float(ious.mean()),
            **{f'acc@{t:g}': float((ious >= t).float().mean()) for t in self.thresholds},
            'parse_rate': _mean(results, 'parsed'),
            'episodes': float(len(results)),
        }
        if len(ious) > 1:
            figures['mIoU_95'] = float(1.96 * ious.std() / len(ious) ** 0.5)
        known = {name for result in results for name in result}
        for name in ('choice', 'any_object@0.5'):
            if name in known:
                figures[name] = _mean(results, name)
        for name in ('copy_support', 'matcher', 'random_object'):
            if name in known:
                figures[f'{name}_mIoU'] = _mean(results, name)
        boxes = torch.tensor([result['box'] for result in results])
        figures['fixed_box_mIoU'] = float(paired_iou(boxes.median(0).values.expand_as(boxes), boxes).mean())
        return figures


def _mean(results: Sequence[dict[str, Any]], name: str) -> float:
    values = [result[name] for result in results if name in result]
    return float(sum(values) / len(values))


def _iou(first: Tensor, second: Tensor) -> float:
    return float(paired_iou(first.view(1, 4), second.view(1, 4)))


def _choice(box: Tensor, target: Tensor, others: Tensor) -> dict[str, float]:
    """What an answer points at in a scene of several objects, boxes (M, 4)."""
    objects = torch.cat([target[None], others])
    overlap = paired_iou(box.expand_as(objects), objects)
    return {
        'choice': float(overlap[0] > overlap[1:].max()),
        'any_object@0.5': float(overlap.max() >= 0.5),
        'random_object': float(paired_iou(objects, target.expand_as(objects)).mean()),
    }


def _copied_box(sample: dict[str, Any]) -> Tensor:
    """(4,) the last support's box at the same relative place of the query."""
    support = sample['supports'][-1]
    height, width = support.img_shape[:2]
    box = support.gt_instances.bboxes[0].cpu() / torch.tensor([width, height, width, height])
    height, width = sample['ori_shape'][:2]
    return box * torch.tensor([width, height, width, height])


def _matched_box(images: Sequence[Tensor], sample: dict[str, Any]) -> Tensor:
    """(4,) where the last support's crop correlates best with the query."""
    support, query = (image.permute(1, 2, 0).cpu().numpy() for image in images[-2:])
    x1, y1, x2, y2 = (round(float(value)) for value in sample['supports'][-1].gt_instances.bboxes[0])
    crop = support[max(0, y1) : max(y1 + 1, y2), max(0, x1) : max(x1 + 1, x2)]
    best, found = -2.0, torch.zeros(4)
    for scale in _MATCHER_SCALES:
        width, height = (max(2, round(length * scale)) for length in crop.shape[1::-1])
        if width > query.shape[1] or height > query.shape[0]:
            continue
        scores = cv2.matchTemplate(query, cv2.resize(crop, (width, height)), cv2.TM_CCOEFF_NORMED)
        _, score, _, (left, top) = cv2.minMaxLoc(np.nan_to_num(scores, nan=-1.0, posinf=-1.0))
        if score > best:
            best, found = score, torch.tensor([left, top, left + width, top + height]).float()
    ratio = torch.tensor(sample['ori_shape'][1::-1]) / torch.tensor(query.shape[1::-1])
    return found * ratio.repeat(2)
