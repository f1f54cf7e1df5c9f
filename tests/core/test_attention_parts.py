import pytest
import torch

from focus_mmdet.core import attention_parts
from focus_mmdet.core.attention_parts import attention_in_parts

BATCH, SHARED, WIDTH = 3, 11, 8


def joined(query, shared, own, scale, attended):
    """Plain attention to both, ``attended`` (B, 1, T, L) of one's own."""
    groups = query.shape[1] // own[0].shape[1]
    key, value = (
        torch.cat([before.expand(BATCH, -1, -1, -1), behind], 2).repeat_interleave(groups, 1)
        for before, behind in zip(shared, own, strict=True)
    )
    seen = torch.nn.functional.pad(attended, (SHARED, 0), value=True)
    return (query @ key.mT * scale).masked_fill(~seen, float('-inf')).softmax(-1) @ value


@pytest.mark.parametrize('kernel', ['of the CPU', 'plain'])
@pytest.mark.parametrize('heads', [2, 6])
@pytest.mark.parametrize(('length', 'own_length'), [(5, 5), (1, 5), (3, 7), (SHARED // 2, SHARED), (1, 1)])
@pytest.mark.parametrize('masked', [False, True])
def test_the_parts_make_the_whole(monkeypatch, kernel, heads, length, own_length, masked):
    torch.manual_seed(0)
    if kernel == 'plain':
        monkeypatch.setattr(
            attention_parts,
            '_part',
            lambda *a, mask=None, **k: attention_parts._plain_part(*a, mask=mask, **k),
        )
    query = 3 * torch.randn(BATCH, length, heads, WIDTH).transpose(1, 2)  # As transformers lays it out.
    shared = [torch.randn(1, 2, SHARED, WIDTH) for _ in range(2)]
    own = [torch.randn(BATCH, 2, own_length, WIDTH) for _ in range(2)]
    attended = torch.ones(BATCH, 1, length, own_length, dtype=torch.bool).tril(own_length - length)
    masked = masked or 1 < length < own_length
    if masked:
        attended[1, ..., : own_length - length] = False
    found = attention_in_parts(query, shared, own, 0.3, attended if masked else None)
    torch.testing.assert_close(found, joined(query, shared, own, 0.3, attended))
