"""Episodes: read from files, sampled from tracks or drawn from sprites."""

from focus_mmdet.datasets.collate import collate_episodes
from focus_mmdet.datasets.episode_dataset import EpisodeDataset
from focus_mmdet.datasets.episode_samplers import RandomEpisodes, SameImageEpisodes, UniformSpanEpisodes
from focus_mmdet.datasets.probes import RemoveSupports, ShuffledSupports
from focus_mmdet.datasets.shot_grouped_batch_sampler import ShotGroupedBatchSampler
from focus_mmdet.datasets.sprite_dataset import SpriteEpisodeDataset
from focus_mmdet.datasets.transforms import (
    CropAroundBox,
    ForEachFrame,
    LoadFrame,
    PackEpisodeInputs,
    RenderSpriteEpisode,
    ResizeToPixelBudget,
)

__all__ = [
    'CropAroundBox',
    'EpisodeDataset',
    'ForEachFrame',
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
    'collate_episodes',
]
