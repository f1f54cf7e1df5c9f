"""Training: the attention hook, the GRPO loop, checkpoints and pictures."""

from focus_mmdet.engine.attention_supervision_hook import AttentionSupervisionHook
from focus_mmdet.engine.checkpoint_loading import register_safe_loader
from focus_mmdet.engine.episode_visualization_hook import EpisodeVisualizationHook
from focus_mmdet.engine.grpo_loop import GRPOTrainLoop
from focus_mmdet.engine.trainable_optim_wrapper_constructor import TrainableOptimWrapperConstructor

register_safe_loader()

__all__ = [
    'AttentionSupervisionHook',
    'EpisodeVisualizationHook',
    'GRPOTrainLoop',
    'TrainableOptimWrapperConstructor',
]
