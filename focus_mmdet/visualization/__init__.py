"""Pictures of episodes."""

from focus_mmdet.visualization.episode_visualizer import EpisodeVisualizer

__all__ = ['EpisodeVisualizer']
