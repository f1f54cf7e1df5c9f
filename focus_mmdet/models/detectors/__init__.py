"""MMDetection's detector round the VLM, and how it is spread over GPUs.

May import every other room of ``models``.
"""

from focus_mmdet.models.detectors.focus_detector import FocusDetector
from focus_mmdet.models.detectors.fully_sharded_model import FullyShardedModel

__all__ = ['FocusDetector', 'FullyShardedModel']
