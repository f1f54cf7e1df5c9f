"""What a run does from its first iteration to its last, and the hooks that a loop cannot do without.

They may import ``rollouts``, ``rewards``, ``checkpoints`` and the helpers of ``engine``, no other hook.
"""

from focus_mmdet.engine.loops.grpo import GRPOTrainLoop
from focus_mmdet.engine.loops.reference_policy import ReferencePolicyHook
from focus_mmdet.engine.loops.resumable import ResumableTrainLoop

__all__ = ['GRPOTrainLoop', 'ReferencePolicyHook', 'ResumableTrainLoop']
