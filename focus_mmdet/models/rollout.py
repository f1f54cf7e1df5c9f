"""What the GRPO loop hands to the head."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class GRPOObjective:
    """Options of the policy loss; names and defaults are ``trl.GRPOConfig``'s.

    Attributes:
        beta: Weight of the KL to the stage-1 policy; 0 needs no reference.
        epsilon: Clip range of the probability ratio.
        importance_sampling_level: ``'token'`` or ``'sequence'``.
        loss_type: See :func:`focus_mmdet.core.grpo.aggregate`.
        temperature: Divides the logits, in sampling and in learning.
        max_completion_length: Longest answer in tokens.
    """

    beta: float = 0.0
    epsilon: float = 0.2
    importance_sampling_level: str = 'token'
    loss_type: str = 'dapo'
    temperature: float = 1.0
    max_completion_length: int = 50


@dataclass
class Rollout:
    """Sampled answers to B prompts, ready to learn from.

    Attributes:
        answers: B lists of G tensors of token ids.
        advantages: (B * G,).
        objective: How to learn.
        global_tokens: Answer tokens of all ranks divided by their number.
        old_logps: (B * G, L) under the policy that sampled; None where the
            policy has not been updated since.
    """

    answers: list[list[Tensor]]
    advantages: Tensor
    objective: GRPOObjective
    global_tokens: Tensor
    old_logps: Tensor | None = None
