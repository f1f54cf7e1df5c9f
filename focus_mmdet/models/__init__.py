"""The detector, its head and preprocessor, and the VLM behind them."""

from focus_mmdet.models.data_preprocessor import EpisodeDataPreprocessor
from focus_mmdet.models.focus_detector import FocusDetector
from focus_mmdet.models.fully_sharded_model import FullyShardedModel
from focus_mmdet.models.vlm_head import VLMHead

__all__ = ['EpisodeDataPreprocessor', 'FocusDetector', 'FullyShardedModel', 'VLMHead']
