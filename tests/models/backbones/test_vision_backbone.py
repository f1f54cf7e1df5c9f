"""Every kind of backbone gives rows and columns of features, where they belong."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    CLIPConfig,
    ConvNextImageProcessorPil,
    Dinov2Config,
    Dinov2WithRegistersConfig,
    DINOv3ViTConfig,
    HieraConfig,
    MobileNetV2Config,
    Qwen3Config,
    ResNetConfig,
    Siglip2VisionConfig,
    SiglipVisionConfig,
    SwinConfig,
)

from focus_mmdet.core.feature_matching import joined_levels
from focus_mmdet.errors import InputError
from focus_mmdet.models import VisionBackbone

TINY = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
MEAN, STD = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.3])
CONFIGS = {
    'dinov2': Dinov2Config(**TINY, image_size=64, patch_size=8),
    'dinov2 with registers': Dinov2WithRegistersConfig(
        **TINY, image_size=32, patch_size=8, num_register_tokens=4
    ),
    'dinov3': DINOv3ViTConfig(**TINY, patch_size=8, num_register_tokens=4),
    'siglip': SiglipVisionConfig(**TINY, image_size=32, patch_size=8),
    'clip, whole': CLIPConfig(
        text_config=dict(**TINY, vocab_size=50, bos_token_id=0, eos_token_id=1, pad_token_id=2),
        vision_config=dict(**TINY, image_size=32, patch_size=8),
    ),
    'swin': SwinConfig(
        embed_dim=8, depths=[1, 1], num_heads=[1, 1], image_size=64, window_size=4, patch_size=8
    ),
    'resnet': ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type='basic'),
    'mobilenet': MobileNetV2Config(depth_multiplier=0.25, tf_padding=False),
}
#: Its channels come last.
HIERA = HieraConfig(
    embed_dim=8, depths=[1, 1], num_heads=[1, 1], image_size=[64, 64], query_stride=[2, 2], num_query_pool=1,
    masked_unit_size=[4, 4],
)  # fmt: skip
#: A level whose features lie 8 x 8 in an image of 64 pixels.
LEVELS = {'swin': 0, 'resnet': -1, 'mobilenet': 3}


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Folder of a random model of a kind, built once."""
    built = {}

    def build(name, config=None):
        if name not in built:
            torch.manual_seed(0)
            built[name] = tmp_path_factory.mktemp('backbone')
            AutoModel.from_config(config or CONFIGS.get(name, HIERA)).save_pretrained(built[name])
            ConvNextImageProcessorPil(image_mean=MEAN.tolist(), image_std=STD.tolist()).save_pretrained(
                built[name]
            )
        return str(built[name])

    return build


@pytest.mark.parametrize('name', CONFIGS)
def test_features_are_those_of_the_model_in_rows_and_columns(folders, name):
    backbone = VisionBackbone(folders(name), LEVELS.get(name, 1))
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    found = backbone(images)
    pixels = (images / 255 - MEAN[:, None, None]) / STD[:, None, None]
    model = AutoModel.from_pretrained(folders(name)).eval()
    model = getattr(model, 'vision_model', model)
    asked = dict(interpolate_pos_encoding=True) if name in ('siglip', 'clip, whole') else {}
    state = model(pixels, output_hidden_states=True, **asked).hidden_states[LEVELS.get(name, 1)]
    before = {'dinov2': 1, 'dinov2 with registers': 5, 'dinov3': 5, 'clip, whole': 1}.get(name, 0)
    for i in range(8):
        for j in range(8):
            expected = state[:, before + 8 * i + j] if state.ndim == 3 else state[:, :, i, j]
            torch.testing.assert_close(found[:, :, i, j], expected, rtol=0, atol=1e-5)
    assert found.shape[2:] == (8, 8)
    assert not any(weight.requires_grad for weight in backbone.parameters())


def test_without_a_level_it_is_the_last_features(folders):
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    for name in ('dinov2', 'resnet'):
        last, level = VisionBackbone(folders(name)), VisionBackbone(folders(name), -1)
        same = torch.equal(last(image), level(image))
        assert same == (name == 'resnet'), 'a ViT normalizes its last features'


def test_several_levels_are_on_the_grid_of_the_finest(folders):
    image = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    fine, coarse = (VisionBackbone(folders('resnet'), level)(image) for level in (1, 2))
    both = VisionBackbone(folders('resnet'), [1, 2])(image)
    assert fine.shape[2] > coarse.shape[2]
    torch.testing.assert_close(both, joined_levels([fine, coarse]))


@pytest.mark.parametrize(
    ('name', 'level', 'message'),
    [
        ('dinov2', 9, r'model.backbone.level=9: .* has 3 levels'),
        ('resnet', -4, r'model.backbone.level=-4: .* has 3 levels'),
        ('swin', None, r'gives \(1, 16, 16\) there, which is not channels and rows and columns'),
        ('hiera', 1, r'gives \(1, 16, 16, 8\) there'),
        ('dinov2', 'last', "model.backbone.level='last': give a whole number"),
        ('dinov2', [], r'model.backbone.level=\[\]: give a level, or several'),
        ('resnet', [1, 9], r'model.backbone.level=9: .* has 3 levels'),
    ],
)
def test_levels_that_there_are_not_are_named(folders, name, level, message):
    with pytest.raises(InputError, match=message):
        VisionBackbone(folders(name), level)(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))


def test_a_size_that_patches_do_not_fill_is_named(folders):
    with pytest.raises(InputError, match=r'model.size=60: .* patches of 8 pixels; .* such as 56'):
        VisionBackbone(folders('dinov2'))(torch.zeros(1, 3, 60, 60, dtype=torch.uint8))


def test_folders_of_something_else_are_named(folders, tmp_path):
    with pytest.raises(InputError, match=r'(?s)no model folder at .*gone.*dinov2-small'):
        VisionBackbone(str(tmp_path / 'gone'))
    with pytest.raises(InputError, match='pretrained=3: give the folder'):
        VisionBackbone(3)
    text = Qwen3Config(**TINY, vocab_size=50, num_key_value_heads=2, head_dim=8, pad_token_id=0)
    for kind, config in [('text', text), ('flexible', Siglip2VisionConfig(**TINY, patch_size=8))]:
        with pytest.raises(InputError, match='does not take images as they are'):
            VisionBackbone(folders(kind, config))


def test_broken_folders_are_named(folders, tmp_path):
    for file in ('config.json', 'model.safetensors', 'preprocessor_config.json'):
        folder = tmp_path / file
        shutil.copytree(folders('resnet'), folder)
        (folder / file).write_text('{"broken"')
        with pytest.raises(InputError, match=rf'{file}: damaged or incomplete'):
            VisionBackbone(str(folder))
    (folder / 'preprocessor_config.json').unlink()
    with pytest.raises(InputError, match=r'no preprocessor_config\.json'):
        VisionBackbone(str(folder))
    weights = load_file(folder / 'model.safetensors')
    weights.pop(min(weights))
    save_file(weights, folder / 'model.safetensors', metadata={'format': 'pt'})
    with pytest.raises(InputError, match=r'1 weights that config\.json asks for are not in it'):
        VisionBackbone(str(folder))


def test_an_image_processor_that_needs_torchvision_is_done_without(folders, tmp_path):
    folder = tmp_path / 'dinov3'
    shutil.copytree(folders('dinov3'), folder)
    file = folder / 'preprocessor_config.json'
    file.write_text(
        json.dumps({**json.loads(file.read_text()), 'image_processor_type': 'DINOv3ViTImageProcessor'})
    )
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(VisionBackbone(str(folder))(image), VisionBackbone(folders('dinov3'))(image))
