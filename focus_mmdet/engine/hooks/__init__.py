"""MMEngine hooks: each watches a run, or arms the model, at set points of it.

They may import every other room of ``engine``.
"""

from focus_mmdet.engine.hooks.answer_sample import AnswerSampleHook
from focus_mmdet.engine.hooks.attention_supervision import AttentionSupervisionHook
from focus_mmdet.engine.hooks.episode_visualization import EpisodeVisualizationHook
from focus_mmdet.engine.hooks.graceful_stop import GracefulStopHook
from focus_mmdet.engine.hooks.skip_non_finite import SkipNonFiniteHook
from focus_mmdet.engine.hooks.throughput import ThroughputHook
from focus_mmdet.engine.hooks.unreadable_images import UnreadableImagesHook

__all__ = [
    'AnswerSampleHook',
    'AttentionSupervisionHook',
    'EpisodeVisualizationHook',
    'GracefulStopHook',
    'SkipNonFiniteHook',
    'ThroughputHook',
    'UnreadableImagesHook',
]
