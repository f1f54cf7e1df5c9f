"""Training: loops, hooks, rollouts, rewards, optimizers and checkpoints.

Rooms from top to bottom: ``hooks``, ``loops``, ``rollouts``, ``checkpoints`` and ``optimizers``; each may
import those below it, ``models``, ``datasets``, ``core`` and the helpers that lie beside the rooms.
"""

from focus_mmdet.engine.checkpoints.atomic_backend import register_atomic_files
from focus_mmdet.engine.checkpoints.loading import register_safe_loader
from focus_mmdet.engine.hooks import (
    AnswerSampleHook,
    AttentionSupervisionHook,
    EpisodeVisualizationHook,
    GracefulStopHook,
    SkipNonFiniteHook,
    ThroughputHook,
    UnreadableImagesHook,
)
from focus_mmdet.engine.loops import GRPOTrainLoop, ReferencePolicyHook, ResumableTrainLoop
from focus_mmdet.engine.optimizers import MuonWithAdamW, TrainableOptimWrapperConstructor
from focus_mmdet.engine.rewards import FormatReward, GIoUReward, IoUReward, IoUThresholdReward, Reward
from focus_mmdet.engine.rollouts import RolloutEngine, SharedPrefillRollout, VLLMRollout
from focus_mmdet.engine.runner import FocusRunner

register_safe_loader()
register_atomic_files()

__all__ = [
    'AnswerSampleHook',
    'AttentionSupervisionHook',
    'EpisodeVisualizationHook',
    'FocusRunner',
    'FormatReward',
    'GIoUReward',
    'GRPOTrainLoop',
    'GracefulStopHook',
    'IoUReward',
    'IoUThresholdReward',
    'MuonWithAdamW',
    'ReferencePolicyHook',
    'ResumableTrainLoop',
    'Reward',
    'RolloutEngine',
    'SharedPrefillRollout',
    'SkipNonFiniteHook',
    'ThroughputHook',
    'TrainableOptimWrapperConstructor',
    'UnreadableImagesHook',
    'VLLMRollout',
]
