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
from focus_mmdet.evaluation.ranking import auroc

_BINS = 10


@METRICS.register_module()
class ScoreCalibration(BaseMetric):
    """Expected calibration error of the scores, and what would mend it.

    An answer is right where its box reaches an IoU. "Absent" is an answer too,
    with the score that the object is there all the same, and not right then.
    ``right`` is their share, ``ece`` the mean gap
    between score and share of right answers over ten bins of equal count, ``auroc`` the probability that a
    right answer has a higher score than a wrong one, where there are both;
    ``scale`` and ``offset`` are those of ``model.bbox_head.score_calibration``, or of a ``FeatureMatcher``'s
    ``model.score_calibration`` (Platt 1999), fitted to this set, and ``ece_fitted`` and ``auroc_fitted`` are
    what they give on the same set: fit on validation episodes, judge on others. Where the model looks at it,
    ``likeness`` is fitted with them, for ``model.bbox_head.score_likeness``; 0 where it is of no use.

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
                self.results.append((float('nan'), 0.0, float('nan')))
                continue
            box, score = torch.zeros(4), sample.get('presence')
            if found:
                best = predicted['scores'].argmax()
                box, score = predicted['bboxes'][best].cpu(), float(predicted['scores'][best])
            right = 0.0
            if sample['instances']:
                target = torch.tensor(sample['instances'][0]['bbox'], dtype=torch.float32)
                right = float(paired_iou(box.view(1, 4), target.view(1, 4)) >= self.threshold)
            self.results.append((score, right, sample.get('likeness', float('nan'))))

    def compute_metrics(self, results: list[tuple[float, float, float]]) -> dict[str, float]:
        answers = torch.tensor(results, dtype=torch.float64).view(-1, 3)
        scores, right, likeness = answers[~answers[:, 0].isnan()].T
        if not len(scores):
            return {'answers': 0.0}
        logits = scores.logit(1e-6)
        weights = fit_platt(torch.stack([logits], 1), right)
        if looked := not likeness.isnan().any():
            both = fit_platt(torch.stack([logits, likeness], 1), right)
            weights = both if both[1] > 0 else [weights[0], 0.0, weights[1]]
        scale, offset = weights[0], weights[-1]
        if scale <= 0:
            print_log(
                f'ScoreCalibration: higher scores are not right more often (right: {int(right.sum())} of '
                f'{len(right)} answers); a scale of 0 or less must not be used',
                'current',
                logging.WARNING,
            )
        fitted = scale * logits + offset
        figures = {'scale': scale, 'offset': offset}
        if looked:
            fitted = fitted + weights[1] * likeness
            figures['likeness'] = weights[1]
        if 0 < right.sum() < len(right):
            figures |= {'auroc': auroc(scores, right > 0), 'auroc_fitted': auroc(fitted, right > 0)}
        return figures | {
            'answers': float(len(scores)),
            'right': float(right.mean()),
            'ece': calibration_error(scores, right),
            'ece_fitted': calibration_error(fitted.sigmoid(), right),
        }


def calibration_error(scores: Tensor, right: Tensor) -> float:
    """Mean over answers of |mean score - share of right| of their bin; (N,) each, 0..1."""
    order = scores.argsort()
    bins = zip(scores[order].tensor_split(_BINS), right[order].tensor_split(_BINS), strict=True)
    gaps = [len(s) * (s.mean() - r.mean()).abs() for s, r in bins if len(s)]
    return float(torch.stack(gaps).sum() / len(scores))


def fit_platt(evidence: Tensor, right: Tensor) -> list[float]:
    """Weights of F kinds of evidence, and the offset, of the logit that makes right answers most likely.

    Args:
        evidence: (N, F), the logits of scores first.
        right: (N,) 0 or 1. Platt's prior keeps the fit finite where all are alike.
    """
    positive, count = right.sum(), len(right)
    smooth = torch.where(right > 0, (positive + 1) / (positive + 2), 1 / (count - positive + 2))
    evidence = torch.cat([evidence, torch.ones_like(evidence[:, :1])], 1)
    start = [1.0, *[0.0] * (evidence.shape[1] - 1)]
    weights = torch.tensor(start, dtype=evidence.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn='strong_wolfe')

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = binary_cross_entropy_with_logits(evidence @ weights, smooth)
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return weights.tolist()
