"""Do scores say how often an answer is right?"""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.errors import check_number

_BINS = 10


@METRICS.register_module()
class ScoreCalibration(BaseMetric):
    """Expected calibration error of the scores, and what would mend it.

    An answer is right where its box reaches an IoU. "Absent" is an answer too,
    with the score that the object is there all the same, and not right then.
    ``right`` is their share, ``ece`` the mean gap
    between score and share of right answers over ten bins of equal count;
    ``scale`` and ``offset`` are those of ``model.bbox_head.score_calibration``, or of a ``FeatureMatcher``'s
    ``model.score_calibration`` (Platt 1999), fitted to this set, and ``ece_fitted`` is the error with them
    on the same set: fit on validation episodes, judge on others.

    Args:
        threshold: IoU of a right answer; 0 asks only whether the query shows
            the object.
    """

    default_prefix = 'score'

    def __init__(self, threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_number('ScoreCalibration.threshold', threshold, low=0, high=1)
        self.threshold = threshold

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        for sample in data_samples:
            predicted = sample['pred_instances']
            found = len(predicted['bboxes']) > 0
            rejected = 'presence' in sample and sample.get('parse_error') is None
            if not found and not rejected:
                # Kept: MMEngine cuts the sampler's padding by counting.
                self.results.append((float('nan'), 0.0))
                continue
            box, score = torch.zeros(4), sample.get('presence')
            if found:
                best = predicted['scores'].argmax()
                box, score = predicted['bboxes'][best].cpu(), float(predicted['scores'][best])
            right = 0.0
            if sample['instances']:
                target = torch.tensor(sample['instances'][0]['bbox'], dtype=torch.float32)
                right = float(paired_iou(box.view(1, 4), target.view(1, 4)) >= self.threshold)
            self.results.append((score, right))

    def compute_metrics(self, results: list[tuple[float, float]]) -> dict[str, float]:
        scores, right = torch.tensor(results, dtype=torch.float64).view(-1, 2).T
        answered = ~scores.isnan()
        scores, right = scores[answered], right[answered]
        if not len(scores):
            return {'answers': 0.0}
        scale, offset = fit_platt(scores, right)
        if scale <= 0:
            print_log(
                f'ScoreCalibration: higher scores are not right more often (right: {int(right.sum())} of '
                f'{len(right)} answers); a scale of 0 or less must not be used',
                'current',
                logging.WARNING,
            )
        fitted = (scale * scores.logit(1e-6) + offset).sigmoid()
        return {
            'answers': float(len(scores)),
            'right': float(right.mean()),
            'ece': calibration_error(scores, right),
            'ece_fitted': calibration_error(fitted, right),
            'scale': scale,
            'offset': offset,
        }


def calibration_error(scores: Tensor, right: Tensor) -> float:
    """Mean over answers of |mean score - share of right| of their bin; (N,) each, 0..1."""
    order = scores.argsort()
    bins = zip(scores[order].tensor_split(_BINS), right[order].tensor_split(_BINS), strict=True)
    gaps = [len(s) * (s.mean() - r.mean()).abs() for s, r in bins if len(s)]
    return float(torch.stack(gaps).sum() / len(scores))


def fit_platt(scores: Tensor, right: Tensor) -> tuple[float, float]:
    """Scale and offset of the scores' logits that make right answers most likely.

    Args:
        scores: (N,) in 0..1.
        right: (N,) 0 or 1. Platt's prior keeps the fit finite where all are alike.
    """
    positive, count = right.sum(), len(right)
    smooth = torch.where(right > 0, (positive + 1) / (positive + 2), 1 / (count - positive + 2))
    logits = scores.logit(1e-6)
    weights = torch.tensor([1.0, 0.0], dtype=scores.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn='strong_wolfe')

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = binary_cross_entropy_with_logits(weights[0] * logits + weights[1], smooth)
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    scale, offset = weights.tolist()
    return scale, offset
