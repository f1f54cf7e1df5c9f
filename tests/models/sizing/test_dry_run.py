"""Bytes that a dry run counts, and what they say about the attention loss."""

import pytest
import torch

from focus_mmdet.models.heads.attention_supervision import AttentionSupervision
from focus_mmdet.models.sizing.dry_run import DryRun, dry_episodes, dry_head
from focus_mmdet.models.sizing.tiny import build_tiny_vlm
from focus_mmdet.models.vlm.vlm import load_family


def test_it_counts_what_backward_will_need():
    weight = torch.empty(1000, 250, device='meta', requires_grad=True)
    with DryRun([weight]) as run:
        total = weight.exp().exp().sum()
        assert run.live == 3 * 10**6 + 4, 'the weight and both exponentials'
        total.backward()
        assert run.peak > run.live
        del total
        assert run.live == 2 * 10**6, 'the weight and its gradient'


@pytest.mark.parametrize('family', ['qwen3_vl', 'qwen2_5_vl', 'qwen2_vl'])
def test_checkpointing_drops_what_the_attention_loss_saw(tmp_path, family):
    """Else every layer's recomputed activations stay until the step ends (3 GB at 7B)."""
    config = load_family(str(build_tiny_vlm(tmp_path, family, width=256, layers=6, vision=32))).config
    head = dry_head(config, lora=dict(r=8), gradient_checkpointing=True).train()
    batch = dry_episodes(head.vlm.family, 1, shots=4, size=(160, 160), text=60, answer=25)
    peaks = []
    for settings in ((), (AttentionSupervision(),)):
        head.attention_supervision = settings
        batch.features = None
        with DryRun([*head.parameters(), *head.buffers()]) as run:
            before = run.live
            sum(value for name, value in head.loss(batch, 0).items() if 'loss' in name).backward()
        head.zero_grad()
        peaks.append(run.peak - before)
    assert peaks[1] < 1.1 * peaks[0]
