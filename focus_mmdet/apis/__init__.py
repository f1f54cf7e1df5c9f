"""Use a trained model from Python, and our rewards in other trainers."""

from focus_mmdet.apis.inferencer import InContextInferencer
from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.apis.trl_rewards import format_reward, iou_reward, trl_reward
from focus_mmdet.results.located import Located

__all__ = ['InContextInferencer', 'Located', 'Reference', 'format_reward', 'iou_reward', 'trl_reward']
