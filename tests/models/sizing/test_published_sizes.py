"""Both stages at true 7B and 8B sizes, without weights: on the meta device."""

import pytest
import torch
from transformers import AutoModelForImageTextToText
from transformers.utils import is_timm_available

from focus_mmdet.core.prefix import share_prefix
from focus_mmdet.models.heads.attention_supervision import AttentionSupervision
from focus_mmdet.models.sizing.dry_run import DryRun, dry_episodes, dry_head
from focus_mmdet.models.sizing.published_sizes import PUBLISHED, published_config

#: Language model with its output layer; LoRA of rank 8 on q, k, v, o, gate, up and down.
KNOWN = {
    'Qwen2-VL-7B-Instruct': (7_615_616_512, 20_185_088),
    'Qwen2.5-VL-7B-Instruct': (7_615_616_512, 20_185_088),
    'Qwen3-VL-8B-Instruct': (8_190_735_360, 21_823_488),
    'FastVLM-0.5B': (494_090_112, 4_399_104),
    'FastVLM-7B': (7_616_075_264, 20_185_088),
    'llava-onevision-qwen2-7b-ov-hf': (7_616_075_264, 20_185_088),
    'InternVL3-8B-hf': (7_612_820_992, 20_185_088),
    'SmolVLM2-2.2B-Instruct': (1_812_563_968, 9_043_968),
}
#: What names of its weights hold.
LANGUAGE = ('language_model', 'text_model', 'lm_head')
SHOTS, SIZE, ANSWER = 4, (700, 392), 25


def skip_without_timm(name):
    if name.startswith('FastVLM') and not is_timm_available():
        pytest.skip('its tower needs timm')


@pytest.fixture(scope='module', params=KNOWN)
def head(request):
    skip_without_timm(request.param)
    head = dry_head(
        published_config(request.param),
        dtype='bfloat16',
        lora=dict(r=8, lora_alpha=16),
        gradient_checkpointing=True,
    )
    head.name = request.param
    return head.train()


@pytest.fixture(scope='module')
def batch(head):
    return dry_episodes(head.vlm.family, 1, SHOTS, SIZE, text=40, answer=ANSWER)


def counted(parameters):
    return sum(weight.numel() for weight in parameters)


def test_it_has_as_many_weights_as_published(head):
    base = {name: weight for name, weight in head.named_parameters() if 'lora_' not in name}
    assert counted(base.values()) == PUBLISHED[head.name][2]
    language = {name: weight for name, weight in base.items() if any(part in name for part in LANGUAGE)}
    assert counted(language.values()) == KNOWN[head.name][0]
    vision = counted(base.values()) - counted(language.values())
    assert counted(head.vlm.vision_parameters) == vision, 'adapters stay out of it'


@pytest.mark.parametrize('name', sorted(PUBLISHED.keys() - KNOWN.keys()))
def test_other_sizes_have_as_many_too(name):
    skip_without_timm(name)
    with torch.device('meta'):
        model = AutoModelForImageTextToText.from_config(published_config(name))
    assert counted(model.parameters()) == PUBLISHED[name][2]


def test_every_projection_of_the_language_model_is_adapted(head):
    trained = {name: weight for name, weight in head.named_parameters() if weight.requires_grad}
    text = head.vlm.family.config.text_config
    per_layer = 7 * 2
    assert len(trained) == per_layer * text.num_hidden_layers
    assert all(any(part in name for part in LANGUAGE) and 'lora_' in name for name in trained)
    assert counted(trained.values()) == KNOWN[head.name][1]
    assert {weight.dtype for weight in trained.values()} == {torch.float32}
    assert {weight.dtype for weight in head.parameters() if not weight.requires_grad} == {torch.bfloat16}


def test_stage_1_runs_and_every_adapter_learns(head, batch):
    head.attention_supervision = (AttentionSupervision(),)
    with DryRun():
        losses = head.loss(batch, pad_id=0)
        (losses['loss_lm'] + losses['loss_attention']).backward()
    trained = [weight for weight in head.parameters() if weight.requires_grad]
    assert all(weight.grad is not None and weight.grad.shape == weight.shape for weight in trained)
    head.zero_grad()


def test_stage_2_learns_from_one_sequence_per_group(head, batch):
    answers = [[torch.zeros(ANSWER).long()] * 4]
    with DryRun():
        shared = share_prefix(batch.prompt_ids, answers, pad_id=0)
        logps, entropy = head.answer_logps(batch, shared, temperature=1.0)
        assert logps.shape == entropy.shape == (4, ANSWER)
        logps.mean().backward()
    trained = [weight for weight in head.parameters() if weight.requires_grad]
    assert all(weight.grad is not None for weight in trained)
    head.zero_grad()
