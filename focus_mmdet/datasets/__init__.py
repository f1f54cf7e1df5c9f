"""Episodes: read from files, sampled from tracks or drawn from sprites.

``conversion`` may import what lies here, and that may import ``annotations`` and ``drawn``. Nothing here
imports ``models`` or ``engine``.
"""

from focus_mmdet.datasets.collate import collate_episodes
from focus_mmdet.datasets.drawn import RemoveSupports, ShuffledSupports, SpriteEpisodeDataset
from focus_mmdet.datasets.episode_dataset import EpisodeDataset
from focus_mmdet.datasets.episodes.first_frames import FirstFramesEpisodes
from focus_mmdet.datasets.episodes.galleries import GalleryEpisodes
from focus_mmdet.datasets.episodes.samplers import RandomEpisodes, SameImageEpisodes, UniformSpanEpisodes
from focus_mmdet.datasets.shot_grouped_batch_sampler import ShotGroupedBatchSampler
from focus_mmdet.datasets.transforms import (
    CropAroundBox,
    ForEachFrame,
    LoadFrame,
    PackEpisodeInputs,
    RenderSpriteEpisode,
    ResizeToPixelBudget,
)
from focus_mmdet.datasets.weighted_dataset_sampler import WeightedDatasetSampler

__all__ = [
    'CropAroundBox',
    'EpisodeDataset',
    'FirstFramesEpisodes',
    'ForEachFrame',
    'GalleryEpisodes',
    'LoadFrame',
    'PackEpisodeInputs',
    'RandomEpisodes',
    'RemoveSupports',
    'RenderSpriteEpisode',
    'ResizeToPixelBudget',
    'SameImageEpisodes',
    'ShotGroupedBatchSampler',
    'ShuffledSupports',
    'SpriteEpisodeDataset',
    'UniformSpanEpisodes',
    'WeightedDatasetSampler',
    'collate_episodes',
]
