"""The detector, its head and preprocessor, and the VLM behind them.

Rooms from top to bottom: ``sizing``, ``detectors``, ``heads``, ``data_preprocessors``, ``vlm``; each may
import those below it, ``core`` and ``episode_batch``, which preprocessors write and the VLM reads.
"""

from focus_mmdet.models.data_preprocessors import EpisodeDataPreprocessor
from focus_mmdet.models.detectors import FocusDetector, FullyShardedModel
from focus_mmdet.models.heads import VLMHead

__all__ = ['EpisodeDataPreprocessor', 'FocusDetector', 'FullyShardedModel', 'VLMHead']
