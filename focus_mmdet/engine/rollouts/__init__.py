"""Engines that draw several answers to each prompt, for stage 2.

They may import ``models`` and the helpers of ``engine``.
"""

from focus_mmdet.engine.rollouts.rollout_engine import RolloutEngine, SharedPrefillRollout
from focus_mmdet.engine.rollouts.vllm_rollout import VLLMRollout

__all__ = ['RolloutEngine', 'SharedPrefillRollout', 'VLLMRollout']
