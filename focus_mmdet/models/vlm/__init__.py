"""The Hugging Face model: its families, attention, answers, adapters and shards.

May import ``episode_batch`` and ``core``.
"""

from focus_mmdet.models.vlm import towers

__all__ = ['towers']
