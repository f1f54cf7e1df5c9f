"""FastVLM takes any convolutional tower of transformers, and images of any shape."""

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoTokenizer,
    FastVlmConfig,
    MobileNetV2Config,
    ViTConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.utils import is_timm_available

from focus_mmdet.apis.export import export_huggingface
from focus_mmdet.errors import InputError
from focus_mmdet.models import FocusDetector
from focus_mmdet.models.data_preprocessors.data_preprocessor import EpisodeDataPreprocessor
from focus_mmdet.models.vlm.families import FastVLM
from tests.conftest import random_batch

SIZES = [(32, 64), (48, 48), (80, 40)]


@pytest.fixture(scope='module')
def folder(vlm_folder, tmp_path_factory):
    """FastVLM round a MobileNetV2, whose processor leaves images as they are."""
    path = tmp_path_factory.mktemp('mobile')
    AutoTokenizer.from_pretrained(vlm_folder('fast_vlm')).save_pretrained(path)
    tower = MobileNetV2Config(output_stride=16, tf_padding=False, layer_norm_eps=1e-5, depth_multiplier=0.35)
    tower.hidden_size = 1280
    config = AutoConfig.from_pretrained(vlm_folder('fast_vlm'))
    config.vision_config = tower
    torch.manual_seed(0)
    AutoModelForImageTextToText.from_config(config).save_pretrained(path)
    CLIPImageProcessorPil(do_resize=False, do_center_crop=False).save_pretrained(path)
    return str(path)


def test_a_mobilenet_learns_from_images_of_different_shapes(folder):
    detector = FocusDetector(folder, bbox_head=dict(type='VLMHead', freeze_vision=False)).train()
    data = random_batch(0, [2, 1], SIZES)
    batch = detector.data_preprocessor(data)['inputs']
    flat = [image for episode in data['inputs'] for image in episode]
    shapes = [(-(-image.shape[1] // 16), -(-image.shape[2] // 16)) for image in flat]
    assert [len(places) for places in batch.places] == [rows * columns for rows, columns in shapes]
    assert not any(places.isnan().any() for places in batch.places)
    norms = {name: value.clone() for name, value in detector.named_buffers() if 'running' in name}
    detector.bbox_head.loss(batch, detector.pad_id)['loss_lm'].backward()
    assert all(weight.grad is not None for weight in detector.parameters())
    assert all(torch.equal(norms[name], value) for name, value in detector.named_buffers() if name in norms)
    one = batch.select(1, 2)
    alone = detector.bbox_head.first_logits(one, 0)
    torch.testing.assert_close(alone, detector.bbox_head.first_logits(batch, 0)[1:], rtol=1e-4, atol=1e-5)


def test_the_projector_can_train_before_a_frozen_tower(folder):
    detector = FocusDetector(folder, bbox_head=dict(type='VLMHead', freeze_vision='tower'))
    frozen = {name for name, weight in detector.named_parameters() if not weight.requires_grad}
    assert frozen == {name for name, _ in detector.named_parameters() if 'vision_tower' in name}
    with pytest.raises(InputError, match="freeze_vision='all'"):
        FocusDetector(folder, bbox_head=dict(type='VLMHead', freeze_vision='all'))


def test_a_template_that_moves_images_is_refused_and_ours_is_exported(vlm_folder, tmp_path, monkeypatch):
    detector = FocusDetector(vlm_folder('fast_vlm'), bbox_head=dict(type='VLMHead'))
    exported = export_huggingface(detector, tmp_path / 'exported')
    family = detector.bbox_head.vlm.family
    assert (exported / 'chat_template.jinja').read_text() == family.chat_template
    images_first = family.chat_template.replace(
        "{% for part in message['content'] %}",
        "{% for part in message['content'] | sort(attribute='type') %}",
    )
    monkeypatch.setattr(type(family), 'chat_template', images_first)
    with pytest.raises(InputError, match='moves images away'):
        EpisodeDataPreprocessor(vlm_folder('fast_vlm'))(random_batch(0, [1]))


@pytest.mark.parametrize(
    ('tower', 'message'),
    [
        (
            ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=256),
            'vit: FastVLM takes',
        ),
        (None, 'timm_wrapper: .*timm'),
    ],
)
def test_towers_that_cannot_be_used_are_named(vlm_folder, tower, message):
    if tower is None and is_timm_available():
        pytest.skip('timm is installed')
    config = AutoConfig.from_pretrained(vlm_folder('fast_vlm'))
    config.vision_config = FastVlmConfig().vision_config if tower is None else tower
    family = FastVLM(config)
    with pytest.raises(InputError, match=f'(?s){message}'):
        family.see([np.zeros((64, 64, 3), np.uint8)], family.image_processor())
