"""Read in chunks, logits say what they say in one table."""

import pytest
import torch

from focus_mmdet.core import vocabulary
from focus_mmdet.core.vocabulary import read_logits, token_logps


def plain(hidden, weight, ids, temperature):
    logps = (hidden @ weight.T / temperature).log_softmax(-1)
    return logps.gather(-1, ids[:, None])[:, 0], -(logps.exp() * logps).sum(-1)


@pytest.mark.parametrize('rows', [1, 3, 7, 100])
@pytest.mark.parametrize('temperature', [1.0, 0.7])
def test_values_and_gradients_are_those_of_one_table(monkeypatch, rows, temperature):
    monkeypatch.setattr(vocabulary, 'LOGITS', rows * 50)
    torch.manual_seed(0)
    ids, factors = torch.randint(50, (7,)), torch.randn(7)
    leaves = [tensor.requires_grad_() for tensor in (torch.randn(7, 8).double(), torch.randn(50, 8).double())]

    def read(logits, ids):
        assert logits.dtype == torch.float32
        assert len(logits) <= rows
        return token_logps(logits, ids, temperature)

    parts = read_logits(lambda hidden: hidden @ leaves[1].T, read, leaves[0], ids, 50)
    logps, entropies = (torch.cat(part) for part in zip(*parts, strict=True))
    expected_logps, expected_entropies = plain(*leaves, ids, temperature)
    torch.testing.assert_close(logps.double(), expected_logps, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(entropies.double(), expected_entropies, rtol=1e-5, atol=1e-5)
    assert not entropies.requires_grad
    found = torch.autograd.grad((logps * factors).sum(), leaves)
    expected = torch.autograd.grad((expected_logps * factors).sum(), leaves)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
