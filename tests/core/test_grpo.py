import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.core.grpo import LOSS_TYPES, aggregate, group_advantages, policy_terms


@given(st.integers(1, 5), st.integers(2, 6), st.integers(0, 1000))
def test_advantages_are_taken_within_each_group(groups, size, seed):
    rewards = torch.rand(groups * size, generator=torch.Generator().manual_seed(seed))
    advantages = group_advantages(rewards, size)
    for start in range(0, groups * size, size):
        group = rewards[start : start + size]
        expected = (group - group.mean()) / (group.std() + 1e-4)
        torch.testing.assert_close(advantages[start : start + size], expected)


def test_equal_rewards_teach_nothing():
    assert group_advantages(torch.full((4,), 0.7), 4).abs().max() < 1e-3


def test_kl_is_zero_at_the_reference_and_positive_elsewhere():
    logps = -torch.rand(3, 4)
    same = policy_terms(logps, logps, torch.ones(3), torch.ones(3, 4), logps)
    assert (same.kl == 0).all()
    moved = policy_terms(logps, logps, torch.ones(3), torch.ones(3, 4), logps - 0.5)
    assert (moved.kl > 0).all()


@pytest.mark.parametrize(
    ('advantage', 'shift', 'clipped'), [(1, 0.5, True), (1, -0.5, False), (-1, -0.5, True)]
)
def test_clipping_stops_the_gradient(advantage, shift, clipped):
    logps = torch.full((1, 1), -1.0 + shift, requires_grad=True)
    terms = policy_terms(logps, torch.full((1, 1), -1.0), torch.tensor([float(advantage)]), torch.ones(1, 1))
    terms.surrogate.sum().backward()
    assert bool(terms.clipped_low | terms.clipped_high) is clipped
    assert bool(logps.grad == 0) is clipped


def test_aggregates_by_hand():
    values = torch.tensor([[1.0, 2.0, 9.0], [3.0, 9.0, 9.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    expected = {'grpo': (1.5 + 3) / 2, 'bnpo': 6 / 3, 'dr_grpo': 6 / (2 * 10), 'dapo': 6 / 4}
    for kind in LOSS_TYPES:
        result = aggregate(values, mask, kind, max_length=10, global_tokens=4.0)
        assert result.item() == pytest.approx(expected[kind])
    with pytest.raises(ValueError, match='not one of'):
        aggregate(values, mask, 'ppo', 10)


def test_advantages_by_batch_and_unscaled():
    rewards = torch.tensor([0.0, 1.0, 0.4, 0.6])
    centred = torch.tensor([-0.5, 0.5, -0.1, 0.1])
    torch.testing.assert_close(group_advantages(rewards, 2, 'none'), centred)
    torch.testing.assert_close(group_advantages(rewards, 2, 'batch'), centred / (rewards.std() + 1e-4))
    everyone = torch.arange(8.0)
    torch.testing.assert_close(
        group_advantages(rewards, 2, 'batch', everyone), centred / (everyone.std() + 1e-4)
    )
    with pytest.raises(ValueError, match='not one of'):
        group_advantages(rewards, 2, 'rank')


@pytest.mark.parametrize('corrected', [True, False])
def test_the_direction_of_the_kl_whose_gradient_it_has(corrected):
    """Over all tokens of a small vocabulary in place of drawn ones."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, generator=generator).requires_grad_()
    reference = torch.randn(5, generator=generator).log_softmax(0)
    logps = logits.log_softmax(0)
    first, second = (logps, reference) if corrected else (reference, logps)
    (expected,) = torch.autograd.grad((first.exp() * (first - second)).sum(), logits, retain_graph=True)
    one = torch.ones(5, 1)
    terms = policy_terms(
        logps[:, None], logps.detach()[:, None], one[:, 0], one, reference[:, None],
        use_bias_correction_kl=corrected,
    )  # fmt: skip
    (gradient,) = torch.autograd.grad((logps.detach().exp() * terms.kl[:, 0]).sum(), logits)
    torch.testing.assert_close(gradient, expected)
