"""Our objective equals trl.GRPOTrainer's own, value and gradient."""

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch

from focus_mmdet.core.grpo import LEVELS, LOSS_TYPES, aggregate, policy_terms

trl = pytest.importorskip('trl')

LONGEST = 9


def trl_loss(logps, inputs, loss_type, level, beta, corrected):
    """GRPOTrainer._compute_loss on a stand-in that holds its options."""
    one_process = SimpleNamespace(
        num_processes=1, gather=lambda x: x, reduce=lambda x, **_: x, sync_gradients=True
    )
    stand_in = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logps, torch.zeros_like(logps), None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=level,
        beta=beta,
        args=trl.GRPOConfig(
            use_cpu=True, bf16=False, report_to=[], steps_per_generation=1, use_bias_correction_kl=corrected
        ),
        loss_type=loss_type,
        epsilon_low=0.2,
        epsilon_high=0.2,
        use_vllm=False,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        max_completion_length=LONGEST,
        accelerator=one_process,
        _entropy_bonus_enabled=False,
        _metrics={'train': defaultdict(list)},
    )
    return trl.GRPOTrainer._compute_loss(stand_in, None, inputs), stand_in._metrics['train']


@pytest.mark.parametrize('loss_type', LOSS_TYPES)
@pytest.mark.parametrize('level', LEVELS)
@pytest.mark.parametrize(('beta', 'corrected'), [(0.0, True), (0.1, True), (0.1, False)])
@pytest.mark.parametrize('several_updates', [False, True])
def test_loss_gradient_and_metrics(loss_type, level, beta, corrected, several_updates):
    generator = torch.Generator().manual_seed(7)
    count, length = 6, 8
    lengths = torch.randint(1, length + 1, (count,), generator=generator)
    mask = (torch.arange(length)[None] < lengths[:, None]).int()
    first = -torch.rand(count, length, generator=generator)
    old = first + 0.4 * torch.randn(count, length, generator=generator) if several_updates else None
    reference = first + 0.3 * torch.randn(count, length, generator=generator)
    advantages = torch.randn(count, generator=generator)
    inputs = {
        'prompt_ids': torch.zeros(count, 3, dtype=torch.long),
        'prompt_mask': torch.ones(count, 3, dtype=torch.long),
        'completion_ids': torch.zeros(count, length, dtype=torch.long),
        'completion_mask': mask,
        'advantages': advantages,
        'old_per_token_logps': old,
        'ref_per_token_logps': reference,
        'num_items_in_batch': mask.sum(),
    }
    theirs = first.clone().requires_grad_()
    expected, metrics = trl_loss(theirs, inputs, loss_type, level, beta, corrected)
    expected.backward()

    ours = first.clone().requires_grad_()
    terms = policy_terms(
        ours,
        ours.detach() if old is None else old,
        advantages,
        mask,
        reference if beta else None,
        epsilon=0.2,
        level=level,
        use_bias_correction_kl=corrected,
    )
    tokens = mask.sum().float()
    loss = aggregate(terms.surrogate, mask, loss_type, LONGEST, tokens)
    loss = loss + beta * aggregate(terms.kl, mask, loss_type, LONGEST, tokens)
    loss.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-7)
    if beta:
        kl = (terms.kl * mask).sum() / mask.sum()
        assert kl.item() == pytest.approx(metrics['kl'][0], rel=1e-5)
