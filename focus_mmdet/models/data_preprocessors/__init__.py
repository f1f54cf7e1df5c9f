"""From episodes of images and boxes to the VLM's tokens, pixels and marks.

May import ``vlm`` and ``datasets``.
"""

from focus_mmdet.models.data_preprocessors.data_preprocessor import EpisodeDataPreprocessor

__all__ = ['EpisodeDataPreprocessor']
