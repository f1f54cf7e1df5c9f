"""MMDetection's detector round the VLM, how it is spread over GPUs, and an opponent that does not train.

May import every other room of ``models``.
"""

from focus_mmdet.models.detectors.feature_matcher import FeatureMatcher
from focus_mmdet.models.detectors.focus_detector import FocusDetector
from focus_mmdet.models.detectors.fully_sharded_model import FullyShardedModel

__all__ = ['FeatureMatcher', 'FocusDetector', 'FullyShardedModel']
