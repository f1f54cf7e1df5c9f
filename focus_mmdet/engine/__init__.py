"""Training: the attention hook, the GRPO loop, checkpoints and pictures."""

from focus_mmdet.engine.answer_sample_hook import AnswerSampleHook
from focus_mmdet.engine.atomic_backend import register_atomic_files
from focus_mmdet.engine.attention_supervision_hook import AttentionSupervisionHook
from focus_mmdet.engine.checkpoint_loading import register_safe_loader
from focus_mmdet.engine.episode_visualization_hook import EpisodeVisualizationHook
from focus_mmdet.engine.graceful_stop_hook import GracefulStopHook
from focus_mmdet.engine.grpo_loop import GRPOTrainLoop
from focus_mmdet.engine.muon_with_adamw import MuonWithAdamW
from focus_mmdet.engine.reference_policy_hook import ReferencePolicyHook
from focus_mmdet.engine.resumable_train_loop import ResumableTrainLoop
from focus_mmdet.engine.rewards import (
    FormatReward,
    GIoUReward,
    IoUReward,
    IoUThresholdReward,
    Reward,
)
from focus_mmdet.engine.rollout_engine import RolloutEngine, SharedPrefillRollout
from focus_mmdet.engine.skip_non_finite_hook import SkipNonFiniteHook
from focus_mmdet.engine.throughput_hook import ThroughputHook
from focus_mmdet.engine.trainable_optim_wrapper_constructor import TrainableOptimWrapperConstructor
from focus_mmdet.engine.unreadable_images_hook import UnreadableImagesHook
from focus_mmdet.engine.vllm_rollout import VLLMRollout

register_safe_loader()
register_atomic_files()

__all__ = [
    'AnswerSampleHook',
    'AttentionSupervisionHook',
    'EpisodeVisualizationHook',
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
