"""The family that docs/adding_a_family.md adds runs both stages."""

import re

import pytest
import torch
from transformers import Glm4vConfig

from focus_mmdet.core.prefix import share_prefix
from focus_mmdet.errors import InputError
from focus_mmdet.models.heads.attention_supervision import AttentionSupervision
from focus_mmdet.models.sizing.dry_run import DryRun, dry_episodes, dry_head
from focus_mmdet.models.vlm.families import FAMILIES
from tests.conftest import ROOT


def test_a_tokenizer_without_the_familys_stop_token_is_named(make_detector, monkeypatch):
    encoder = make_detector('qwen2_vl').data_preprocessor.encoder
    assert encoder.decode(torch.tensor([encoder.stop_id])) == ''
    monkeypatch.setattr(type(encoder.family), 'stop_token', '<|user|>')
    with pytest.raises(InputError, match=r'has no <\|user\|>'):
        encoder.stop_id  # noqa: B018  the property raises


def test_the_example_of_the_page_runs(monkeypatch):
    code = re.search(r'```python\n(.*?)```', (ROOT / 'docs/adding_a_family.md').read_text(), re.S)
    monkeypatch.setitem(FAMILIES, 'glm4v', None)  # taken out again afterwards
    exec(code.group(1), {'__name__': 'example'})
    config = Glm4vConfig(
        text_config=dict(
            hidden_size=256,
            intermediate_size=512,
            num_hidden_layers=3,
            num_attention_heads=8,
            num_key_value_heads=2,
            vocab_size=1024,
            pad_token_id=0,
            rope_parameters=dict(
                rope_type='default', rope_theta=1e4, mrope_section=[4, 6, 6], partial_rotary_factor=1.0
            ),
        ),
        vision_config=dict(depth=2, hidden_size=64, num_heads=2, intermediate_size=128, out_hidden_size=256),
        image_token_id=5,
        vision_start_token_id=6,
    )
    head = dry_head(config, lora=dict(r=4)).train()
    head.attention_supervision = (AttentionSupervision(),)
    batch = dry_episodes(head.vlm.family, 2, shots=2, size=(168, 112), text=40, answer=25)
    with DryRun():
        losses = head.loss(batch, pad_id=0)
        (losses['loss_lm'] + losses['loss_attention']).backward()
        shared = share_prefix(batch.prompt_ids, [[torch.zeros(9).long()] * 3] * 2, pad_id=0)
        logps, _ = head.answer_logps(batch, shared, temperature=1.0)
        logps.mean().backward()
    trained = {name: weight for name, weight in head.named_parameters() if weight.requires_grad}
    assert all(weight.grad is not None for weight in trained.values())
    assert len(trained) == 3 * 6 * 2, 'six adapted layers each'
