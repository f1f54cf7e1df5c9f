"""How well the very object was found."""

from focus_mmdet.evaluation.in_context_metric import InContextMetric
from focus_mmdet.evaluation.score_calibration import ScoreCalibration

__all__ = ['InContextMetric', 'ScoreCalibration']
