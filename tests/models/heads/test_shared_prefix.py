"""One sequence per group equals one pass per answer."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from focus_mmdet.core.prefix import share_prefix
from focus_mmdet.models.episode_batch import pad
from tests.conftest import FAMILIES, plain_inputs, random_batch


def separate_logps(detector, batch, answers, temperature):
    """Log-probs of each answer from its own [prompt | answer] pass."""
    vlm = detector.bbox_head.vlm
    rows = []
    for index, group in enumerate(answers):
        for answer in group:
            ids = torch.cat([batch.prompt_ids[index], answer])[None]
            inputs = plain_inputs(detector, batch.select(index, index + 1), ids)
            logits = vlm.model(**inputs).logits[0, len(batch.prompt_ids[index]) - 1 : -1]
            rows.append((logits / temperature).log_softmax(-1).gather(-1, answer[:, None])[:, 0])
    return rows


@pytest.mark.parametrize('checkpointing', [False, True])
@pytest.mark.parametrize('family', FAMILIES)
@settings(max_examples=8)
@given(
    seed=st.integers(0, 10_000),
    shots=st.lists(st.integers(1, 3), min_size=1, max_size=2),
    lengths=st.lists(st.integers(1, 6), min_size=2, max_size=4),
)
def test_log_probs_and_gradients_equal_separate_passes(
    shared_detector, family, checkpointing, seed, shots, lengths
):
    detector = shared_detector(family, freeze_vision=False, gradient_checkpointing=checkpointing).train()
    batch = detector.data_preprocessor(random_batch(seed, shots))['inputs']
    generator = torch.Generator().manual_seed(seed)
    answers = [[torch.randint(10, 300, (n,), generator=generator) for n in lengths] for _ in shots]
    weights = torch.randn(len(shots) * len(lengths), max(lengths), generator=generator)

    shared = share_prefix(batch.prompt_ids, answers, detector.pad_id)
    logps, _ = detector.bbox_head.answer_logps(batch, shared, temperature=0.7)
    (logps * shared.target_mask * weights).sum().backward()
    ours = {name: p.grad.clone() for name, p in detector.named_parameters() if p.grad is not None}

    detector.zero_grad()
    rows = separate_logps(detector, batch, answers, 0.7)
    sum((row * weight[: len(row)]).sum() for row, weight in zip(rows, weights, strict=True)).backward()
    for row, ours_row, mask in zip(rows, logps, shared.target_mask, strict=True):
        torch.testing.assert_close(ours_row[mask], row, rtol=1e-5, atol=1e-5)
    reference = {name: p.grad for name, p in detector.named_parameters() if p.grad is not None}
    assert ours.keys() == reference.keys()
    largest = max(float(grad.abs().max()) for grad in reference.values())
    for name, grad in reference.items():
        assert (ours[name] - grad).abs().max() <= 1e-5 * largest, name


def test_padding_prompts_of_a_batch_changes_nothing(shared_detector):
    detector = shared_detector()
    batch = detector.data_preprocessor(random_batch(5, [1, 3]))['inputs']
    assert len(batch.prompt_ids[0]) != len(batch.prompt_ids[1])
    together = detector.bbox_head.first_logits(batch, detector.pad_id)
    ids, mask = pad(batch.prompt_ids, detector.pad_id, 'right')
    positions, _ = detector.bbox_head.vlm.prompt_positions(ids, mask, batch.vision)
    last = (torch.arange(2), mask.sum(1) - 1)
    right = detector.bbox_head.vlm(
        ids, mask, positions, detector.bbox_head.vlm.image_features(batch), select=last
    )
    torch.testing.assert_close(together, right, rtol=1e-5, atol=1e-5)


def test_the_reference_leaves_nothing_behind_in_half_precision(shared_detector):
    """Autocast would keep the reference's weights in half precision for the policy."""
    head = shared_detector().bbox_head
    detector = shared_detector()
    batch = detector.data_preprocessor(random_batch(3, [1]))['inputs']
    shared = share_prefix(batch.prompt_ids, [[torch.tensor([20, 30, 40])] * 2], detector.pad_id)
    own = {name: weight.clone() for name, weight in head.vlm.named_parameters()}
    other = {name: 1.5 * weight for name, weight in head.snapshot().items()}
    with torch.autocast('cpu', torch.bfloat16):
        alone, _ = head.answer_logps(batch, shared, 1.0)
        torch.clear_autocast_cache()
        with torch.no_grad():
            reference, _ = head.answer_logps(batch, shared, 1.0, other)
        behind, _ = head.answer_logps(batch, shared, 1.0)
    assert torch.equal(alone, behind)
    assert (reference - alone).abs().max() > 1e-2
    assert all(torch.equal(weight, own[name]) for name, weight in head.vlm.named_parameters())
