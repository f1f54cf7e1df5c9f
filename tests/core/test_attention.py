import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.core.attention import attention_mass, attention_received, margin_loss
from tests.conftest import relative_error


def eager_map(query, key, scale, first):
    """(H, T, T) causal attention with the padding before ``first`` hidden."""
    length = query.shape[1]
    keys = key.repeat_interleave(query.shape[0] // key.shape[0], 0)
    hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
    hidden[:, :first] = True
    return (query @ keys.transpose(-1, -2) * scale).masked_fill(hidden, float('-inf')).softmax(-1)


@st.composite
def cases(draw):
    first = draw(st.integers(0, 3))
    start = first + draw(st.integers(0, 6))
    stop = start + draw(st.integers(1, 6))
    total = stop + draw(st.integers(0, 4))
    groups, kv = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    return first, start, stop, total, groups, kv, draw(st.integers(0, 10_000))


@given(cases())
def test_mass_and_its_gradient_equal_the_eager_map(case):
    first, start, stop, total, groups, kv, seed = case
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(kv * groups, total, 8, generator=generator).requires_grad_()
    key = torch.randn(kv, total, 8, generator=generator).requires_grad_()
    columns = torch.randint(0, 2, (total, 2), generator=generator).float()
    weight = torch.randn(stop - start, 2, generator=generator)

    expected = eager_map(query, key, 0.3, first)[:, start:stop].mean(0) @ columns
    mass = attention_mass(query, key, columns, (start, stop), 0.3, first)
    assert relative_error(mass, expected) < 1e-5 or expected.abs().max() == 0

    wanted = torch.autograd.grad((expected * weight).sum(), (query, key))
    given_ = torch.autograd.grad((mass * weight).sum(), (query, key))
    for ours, reference in zip(given_, wanted, strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-6)


@given(cases())
def test_received_attention_is_the_column_mean(case):
    first, start, stop, total, groups, kv, seed = case
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(kv * groups, total, 8, generator=generator)
    key = torch.randn(kv, total, 8, generator=generator)
    received = attention_received(query, key, (start, stop), 0.3, first)
    torch.testing.assert_close(received, eager_map(query, key, 0.3, first)[:, start:stop].mean((0, 1)))
    torch.testing.assert_close(received.sum(), torch.tensor(1.0))


@given(st.integers(0, 1000), st.integers(1, 20), st.floats(0.001, 0.5))
def test_margin_loss_is_the_papers_definition(seed, marked, margin):
    total, rows = 40, 5
    generator = torch.Generator().manual_seed(seed)
    attention = torch.rand(rows, total, generator=generator, dtype=torch.float64).softmax(-1)
    marks = torch.zeros(total, dtype=torch.float64)
    marks[:marked] = 1
    inside = (attention * marks).sum(-1) / marks.sum()
    outside = (attention * (1 - marks)).sum(-1) / (1 - marks).sum()
    expected = (margin - (inside - outside)).clamp(min=0).square().mean()
    loss = margin_loss(attention @ marks, marked, total, margin)
    torch.testing.assert_close(loss, expected)


def test_margin_loss_closes_once_the_margin_is_met():
    assert margin_loss(torch.tensor([0.9]), marked=4, total=100, margin=0.025) == 0
    assert margin_loss(torch.tensor([0.9]), marked=60, total=1000, margin=0.025) > 0


def test_mass_in_half_precision_is_close():
    generator = torch.Generator().manual_seed(1)
    query, key = torch.randn(4, 60, 16, generator=generator), torch.randn(2, 60, 16, generator=generator)
    columns = torch.randint(0, 2, (60, 1), generator=generator).float()
    exact = attention_mass(query, key, columns, (40, 60), 0.25)
    half = attention_mass(query.bfloat16(), key.bfloat16(), columns, (40, 60), 0.25)
    assert half.dtype == torch.float32
    assert relative_error(half, exact) < 2e-2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('heads', [None, [0, 3]])
def test_mass_on_a_gpu_equals_the_eager_map(dtype, heads):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(8, 300, 128, generator=generator)
    key = torch.randn(2, 300, 128, generator=generator)
    columns = torch.randint(0, 2, (300, 3), generator=generator).float()
    chosen = slice(None) if heads is None else heads
    expected = eager_map(query, key, 0.09, 0)[chosen][:, 200:280].mean(0) @ columns
    ours = [tensor.cuda().to(dtype).requires_grad_() for tensor in (query, key)]
    mass = attention_mass(*ours, columns.cuda(), (200, 280), 0.09, heads=heads)
    mass.sum().backward()
    assert relative_error(mass.cpu(), expected) < (1e-4 if dtype == torch.float32 else 3e-2)
    assert all(torch.isfinite(tensor.grad).all() for tensor in ours)
