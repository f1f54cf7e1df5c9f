"""Group Relative Policy Optimization: advantages, clipped loss, KL.

Names and meanings follow ``trl.GRPOConfig``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

LOSS_TYPES = ('grpo', 'bnpo', 'dr_grpo', 'dapo')
SCALES = ('group', 'batch', 'none')
LEVELS = ('token', 'sequence')


def group_advantages(
    rewards: Tensor,
    num_generations: int,
    scale_rewards: str = 'group',
    batch_rewards: Tensor | None = None,
    eps: float = 1e-4,
) -> Tensor:
    """``A_i = (r_i - mean) / (std + eps)`` with the mean of each group of answers.

    Args:
        rewards: (B * G,), the G answers of one prompt side by side.
        num_generations: G, at least 2.
        scale_rewards: Whose standard deviation divides: ``'group'``,
            ``'batch'`` or ``'none'``.
        batch_rewards: Rewards of all ranks, for ``'batch'``; default: these.
        eps: Keeps equal rewards at advantage 0.

    Returns:
        (B * G,).
    """
    groups = rewards.view(-1, num_generations)
    advantages = groups - groups.mean(1, keepdim=True)
    if scale_rewards == 'group':
        advantages = advantages / (groups.std(1, keepdim=True) + eps)
    elif scale_rewards == 'batch':
        everyone = rewards if batch_rewards is None else batch_rewards
        advantages = advantages / (everyone.std() + eps)
    elif scale_rewards != 'none':
        raise ValueError(f'scale_rewards {scale_rewards!r} is not one of {SCALES}')
    return advantages.view(-1)


@dataclass
class PolicyTerms:
    """Per-token pieces of the GRPO objective; (N, L), or (N, 1) where one
    ratio serves a whole answer.

    Attributes:
        surrogate: Negative clipped surrogate, to be minimized.
        kl: k3 estimate of KL(policy || reference), zeros without a reference.
        clipped_low: Ratio under the range where the advantage is negative.
        clipped_high: Ratio over the range where the advantage is positive.
    """

    surrogate: Tensor
    kl: Tensor
    clipped_low: Tensor
    clipped_high: Tensor


def policy_terms(
    logps: Tensor,
    old_logps: Tensor,
    advantages: Tensor,
    mask: Tensor,
    reference_logps: Tensor | None = None,
    epsilon: float = 0.2,
    level: str = 'token',
    epsilon_high: float | None = None,
    use_bias_correction_kl: bool = True,
) -> PolicyTerms:
    """Clipped policy-gradient and KL terms of every answer token.

    Args:
        logps: (N, L) log-probabilities of the sampled tokens, with gradient.
        old_logps: (N, L) the same under the policy that sampled them.
        advantages: (N,).
        mask: (N, L), 1 on answer tokens.
        reference_logps: (N, L) under the stage-1 policy, or None.
        epsilon: Clip range of the ratio.
        level: ``'token'``, or ``'sequence'`` for one ratio an answer, the
            geometric mean over its tokens (GSPO, arXiv 2507.18071).
        epsilon_high: Clip range above 1, where it differs (DAPO, arXiv
            2503.14476).
        use_bias_correction_kl: Multiply k3 by the ratio (DeepSeek-V3.2, arXiv
            2512.02556): with a ratio of each token, its mean gradient is that
            of KL(policy || reference). That of plain k3 is, on the policy's
            own answers, the one of KL(reference || policy).
    """
    log_ratio = logps - old_logps
    if level == 'sequence':
        log_ratio = ((log_ratio * mask).sum(1) / mask.sum(1).clamp(min=1))[:, None]
    elif level != 'token':
        raise ValueError(f'importance_sampling_level {level!r} is not one of {LEVELS}')
    ratio = log_ratio.exp()
    low, high = 1 - epsilon, 1 + (epsilon if epsilon_high is None else epsilon_high)
    limited = ratio.clamp(low, high)
    advantage = advantages[:, None]
    surrogate = -torch.minimum(ratio * advantage, limited * advantage)
    if reference_logps is None:
        kl = torch.zeros_like(logps)
    else:
        gap = reference_logps - logps
        kl = gap.exp() - gap - 1
        if use_bias_correction_kl:
            kl = ratio * kl
    return PolicyTerms(
        surrogate=surrogate,
        kl=kl,
        clipped_low=(ratio < low) & (advantage < 0),
        clipped_high=(ratio > high) & (advantage > 0),
    )


def aggregate(
    per_token: Tensor,
    mask: Tensor,
    loss_type: str,
    max_length: int,
    global_tokens: Tensor | float | None = None,
    answers: int | None = None,
    tokens: int | None = None,
) -> Tensor:
    """Reduce a per-token term to a scalar; parts of a batch add up to its loss.

    Args:
        per_token: (N, L) or (N, 1).
        mask: (N, L), 1 on answer tokens.
        loss_type: ``'grpo'`` mean over tokens, then over answers; ``'bnpo'``
            mean over the tokens of this batch; ``'dr_grpo'`` sum over tokens
            divided by answers * ``max_length``; ``'dapo'`` sum over tokens
            divided by ``global_tokens``.
        max_length: Longest answer that may be generated (``dr_grpo``).
        global_tokens: Answer tokens of the whole batch, averaged over ranks
            (``dapo``).
        answers: Answers of this rank's batch; default N.
        tokens: Answer tokens of this rank's batch; default: those here.
    """
    mask = mask.to(per_token.dtype)
    per_token = per_token.expand_as(mask)
    answers = len(mask) if answers is None else answers
    total = (per_token * mask).sum()
    if loss_type == 'grpo':
        return ((per_token * mask).sum(1) / mask.sum(1).clamp(min=1)).sum() / answers
    if loss_type == 'bnpo':
        return total / (mask.sum() if tokens is None else tokens)
    if loss_type == 'dr_grpo':
        return total / (answers * max_length)
    if loss_type == 'dapo':
        if global_tokens is None:
            raise ValueError("loss_type='dapo' needs global_tokens")
        return total / global_tokens
    raise ValueError(f'loss_type {loss_type!r} is not one of {LOSS_TYPES}')
