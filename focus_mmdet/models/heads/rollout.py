"""What the GRPO loop hands to the head."""

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class GRPOObjective:
    """Options of the policy loss, by their names in ``trl.GRPOConfig``.

    Attributes:
        beta: Weight of the KL to the stage-1 policy; 0 needs no reference.
        epsilon: The probability ratio is clipped below ``1 - epsilon``
        epsilon_high: and above ``1 + epsilon_high``; default: ``epsilon``.
        importance_sampling_level: ``'token'`` or ``'sequence'``.
        use_bias_correction_kl: See :func:`focus_mmdet.core.grpo.policy_terms`.
        loss_type: See :func:`focus_mmdet.core.grpo.aggregate`.
        temperature: Divides the logits, in sampling and in learning.
        max_completion_length: Longest answer in tokens.
    """

    beta: float = 0.0
    epsilon: float = 0.2
    epsilon_high: float | None = None
    importance_sampling_level: str = 'token'
    use_bias_correction_kl: bool = True
    loss_type: str = 'dapo'
    temperature: float = 1.0
    max_completion_length: int = 50


@dataclass(frozen=True)
class Rollout:
    """Sampled answers to B prompts, or to some of them, ready to learn from.

    Attributes:
        answers: B lists of G tensors of token ids.
        advantages: (B * G,).
        objective: How to learn.
        total_answers: Answers of the whole rollout on this rank.
        total_tokens: Their tokens.
        global_tokens: Answer tokens of all ranks divided by their number.
        old_logps: (B * G, L) under the policy that sampled; None where the
            policy has not been updated since.
    """

    answers: list[list[Tensor]]
    advantages: Tensor
    objective: GRPOObjective
    total_answers: int
    total_tokens: int
    global_tokens: Tensor
    old_logps: Tensor | None = None

    @property
    def tokens(self) -> int:
        """Tokens of these answers."""
        return sum(len(answer) for group in self.answers for answer in group)

    def select(self, start: int, stop: int) -> 'Rollout':
        """The answers to prompts ``start`` to ``stop``, as a part of the whole."""
        answers = self.answers[start:stop]
        size = len(self.answers[0])
        rows = slice(start * size, stop * size)
        old = self.old_logps
        if old is not None:
            old = old[rows, : max(len(answer) for group in answers for answer in group)]
        return replace(self, answers=answers, advantages=self.advantages[rows], old_logps=old)
