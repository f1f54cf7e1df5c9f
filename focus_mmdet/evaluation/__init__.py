"""How well the very object was found."""

from focus_mmdet.evaluation.in_context_metric import InContextMetric

__all__ = ['InContextMetric']
