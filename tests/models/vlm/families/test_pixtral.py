"""Pixtral: of the model type llava only its own models, images as large as they are."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from transformers import LlavaConfig

from focus_mmdet.errors import InputError
from focus_mmdet.models.sizing.dry_run import DryRun, dry_episodes, dry_head
from focus_mmdet.models.vlm.families import Pixtral
from focus_mmdet.models.vlm.model_folder import load_config
from focus_mmdet.models.vlm.processor import load_processor
from focus_mmdet.models.vlm.vlm import load_family
from tests.conftest import random_frame


@pytest.fixture
def folder(vlm_folder, tmp_path):
    return Path(shutil.copytree(vlm_folder('llava'), tmp_path / 'model'))


def test_other_models_of_its_type_are_named(folder):
    LlavaConfig().save_pretrained(folder)
    with pytest.raises(InputError, match=r'clip_vision_model: .* only Pixtral'):
        load_family(str(folder))


@pytest.mark.parametrize('patch_size', [dict(height=14, width=14), 8, None], ids=str)
def test_a_processor_with_other_patches_is_named(folder, patch_size):
    file = folder / 'preprocessor_config.json'
    file.write_text(json.dumps({**json.loads(file.read_text()), 'patch_size': patch_size}))
    with pytest.raises(InputError, match=rf'{file}: patch_size=.* is 16'):
        load_processor(str(folder), load_family(str(folder)))


def test_text_that_the_published_template_leaves_out_is_written(folder):
    ours = (folder / 'chat_template.jinja').read_text()
    assert ours == Pixtral.chat_template
    (folder / 'chat_template.jinja').write_text(ours.replace("part['text']", "part['content']"))
    assert load_processor(str(folder), load_family(str(folder))).chat_template == ours


@pytest.mark.parametrize(
    ('size', 'made'), [((64, 48), (64, 48)), ((65, 40), (80, 48)), ((512, 100), (256, 64))], ids=str
)
def test_images_keep_their_size_up_to_the_longest_edge(shared_detector, size, made):
    encoder = shared_detector('llava').data_preprocessor.encoder
    (seen,) = encoder.see([random_frame(np.random.default_rng(0), size)[0]])
    assert seen.size == made
    assert len(seen.places) == made[0] * made[1] // 16**2


def test_it_learns_without_weights(vlm_folder):
    head = dry_head(load_config(vlm_folder('llava')), lora=dict(r=4), freeze_vision=False).train()
    batch = dry_episodes(head.vlm.family, 2, shots=2, size=(80, 48), text=40, answer=9)
    with DryRun():
        head.loss(batch, pad_id=0)['loss_lm'].backward()
    trained = {name: weight for name, weight in head.named_parameters() if weight.requires_grad}
    assert all(weight.grad is not None for weight in trained.values())
    assert sum('lora_' in name for name in trained) == 3 * 7 * 2
    assert sum('vision_tower' in name for name in trained) == 2 + 2 * 9
