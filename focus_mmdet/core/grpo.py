"""Group Relative Policy Optimization: advantages, clipped loss, KL.

Names and meanings follow ``trl.GRPOConfig``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

LOSS_TYPES = ('grpo', 'bnpo', 'dr_grpo', 'dapo')


def group_advantages(rewards: Tensor, num_generations: int, eps: float = 1e-4) -> Tensor:
    """``A_i = (r_i - mean) / (std + eps)`` within each group of answers.

    Args:
        rewards: (B * G,), the G answers of one prompt side by side.
        num_generations: G, at least 2.
        eps: Keeps a group of equal rewards at advantage 0.

    Returns:
        (B * G,).
    """
    groups = rewards.view(-1, num_generations)
    centred = groups - groups.mean(1, keepdim=True)
    return (centred / (groups.std(1, keepdim=True) + eps)).view(-1)


@dataclass
class PolicyTerms:
    """Per-token pieces of the GRPO objective, each (N, L).

    Attributes:
        surrogate: Negative clipped surrogate, to be minimized.
        kl: k3 estimate of KL(policy || reference), zeros without a reference.
        clipped: Where clipping took effect.
    """

    surrogate: Tensor
    kl: Tensor
    clipped: Tensor


def policy_terms(
    logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    reference_logps: Tensor | None = None,
    epsilon: float = 0.2,
) -> PolicyTerms:
    """Clipped policy-gradient and KL terms of every answer token.

    Args:
        logps: (N, L) log-probabilities of the sampled tokens, with gradient.
        old_logps: (N, L) the same under the policy that sampled them.
        advantages: (N,).
        reference_logps: (N, L) under the stage-1 policy, or None.
        epsilon: Clip range of the ratio.
    """
    ratio = (logps - old_logps).exp()
    limited = ratio.clamp(1 - epsilon, 1 + epsilon)
    advantage = advantages[:, None]
    surrogate = -torch.minimum(ratio * advantage, limited * advantage)
    above = (ratio > 1 + epsilon) & (advantage > 0)
    below = (ratio < 1 - epsilon) & (advantage < 0)
    if reference_logps is None:
        kl = torch.zeros_like(logps)
    else:
        gap = reference_logps - logps
        # The ratio corrects the estimator for tokens of an older policy.
        kl = ratio * (gap.exp() - gap - 1)
    return PolicyTerms(surrogate, kl, above | below)


def aggregate(
    per_token: Tensor,
    mask: Tensor,
    loss_type: str,
    max_length: int,
    global_tokens: Tensor | float | None = None,
) -> Tensor:
    """Reduce a per-token term to a scalar.

    Args:
        per_token: (N, L).
        mask: (N, L), 1 on answer tokens.
        loss_type: ``'grpo'`` mean over tokens, then over answers; ``'bnpo'``
            mean over the tokens of this batch; ``'dr_grpo'`` sum over tokens
            divided by N * ``max_length``; ``'dapo'`` sum over tokens divided
            by ``global_tokens``.
        max_length: Longest answer that may be generated (``dr_grpo``).
        global_tokens: Answer tokens of the whole batch, averaged over ranks
            (``dapo``).
    """
    mask = mask.to(per_token.dtype)
    total = (per_token * mask).sum()
    if loss_type == 'grpo':
        return ((per_token * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()
    if loss_type == 'bnpo':
        return total / mask.sum().clamp(min=1)
    if loss_type == 'dr_grpo':
        return total / (per_token.shape[0] * max_length)
    if loss_type == 'dapo':
        if global_tokens is None:
            raise ValueError("loss_type='dapo' needs global_tokens")
        return total / global_tokens
    raise ValueError(f'loss_type {loss_type!r} is not one of {LOSS_TYPES}')
