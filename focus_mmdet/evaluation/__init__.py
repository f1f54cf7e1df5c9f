"""How well the very object was found."""

from focus_mmdet.evaluation.in_context_metric import InContextMetric
from focus_mmdet.evaluation.score_calibration import ScoreCalibration
from focus_mmdet.evaluation.stock_metrics import install_checks

install_checks()

__all__ = ['InContextMetric', 'ScoreCalibration']
