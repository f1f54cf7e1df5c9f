"""Use a trained model from Python."""

from focus_mmdet.apis.inferencer import InContextInferencer, Located

__all__ = ['InContextInferencer', 'Located']
