"""Scenes drawn from cut-out drawings, and probes of what a model looks at.

Imports nothing of ``datasets``.
"""

from focus_mmdet.datasets.drawn.probes import RemoveSupports, ShuffledSupports
from focus_mmdet.datasets.drawn.sprite_dataset import SpriteEpisodeDataset

__all__ = ['RemoveSupports', 'ShuffledSupports', 'SpriteEpisodeDataset']
