"""The detectors, head and preprocessor, and the VLM or vision backbone behind them.

Rooms from top to bottom: ``sizing``, ``detectors``, ``heads``, ``data_preprocessors``, ``backbones``,
``vlm``; each may import those below it, ``core`` and ``episode_batch``, which preprocessors write and the
VLM reads.
"""

from focus_mmdet.models.backbones import VisionBackbone
from focus_mmdet.models.data_preprocessors import EpisodeDataPreprocessor
from focus_mmdet.models.detectors import FeatureMatcher, FocusDetector, FullyShardedModel
from focus_mmdet.models.heads import VLMHead

__all__ = [
    'EpisodeDataPreprocessor',
    'FeatureMatcher',
    'FocusDetector',
    'FullyShardedModel',
    'VLMHead',
    'VisionBackbone',
]
