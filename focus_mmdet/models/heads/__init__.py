"""Losses and predictions: what a batch of episodes becomes in the VLM.

May import ``data_preprocessors`` and ``vlm``.
"""

from focus_mmdet.models.heads.vlm_head import VLMHead

__all__ = ['VLMHead']
