"""Use a trained model from Python, and our rewards in other trainers."""

from focus_mmdet.apis.inferencer import InContextInferencer, Located
from focus_mmdet.apis.trl_rewards import format_reward, iou_reward, trl_reward

__all__ = ['InContextInferencer', 'Located', 'format_reward', 'iou_reward', 'trl_reward']
