"""Processors load from every layout that models are published in."""

import json
import shutil

import pytest

from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.processor import load_processor
from focus_mmdet.models.vlm.vlm import load_family
from tests.conftest import ROOT
from tests.models.vlm.test_model_folder import POINTER

BASE = ROOT / 'checkpoints/focus-tiny-base'


@pytest.mark.parametrize(
    'layout', ['chat_template.jinja', 'chat_template.json', 'tokenizer_config.json', None]
)
def test_the_chat_template_is_found(tmp_path, layout):
    folder = tmp_path / 'vlm'
    shutil.copytree(BASE, folder)
    template = (folder / 'chat_template.jinja').read_text()
    if layout != 'chat_template.jinja':
        (folder / 'chat_template.jinja').unlink()
    if layout == 'chat_template.json':
        (folder / layout).write_text(json.dumps({'chat_template': template}))
    elif layout == 'tokenizer_config.json':
        tokenizer = json.loads((folder / layout).read_text())
        (folder / layout).write_text(json.dumps({**tokenizer, 'chat_template': template}))
    if layout is None:
        with pytest.raises(InputError, match='no chat template'):
            load_processor(str(folder), load_family(str(folder)))
    else:
        assert load_processor(str(folder), load_family(str(folder))).chat_template == template


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('preprocessor_config.json', None, 'no preprocessor_config.json'),
        ('preprocessor_config.json', '{}', 'patch_size=14, but vision_config.patch_size of config.json is 8'),
        (
            'config.json',
            '{"model_type": "qwen3_vl", "image_token_id": 7}',
            r'image_token_id=7 .* not the id of <\|image_pad',
        ),
        ('tokenizer.json', None, 'no tokenizer.json'),
        ('tokenizer.json', '{"version": "1.0",', 'tokenizer.json: damaged or incomplete'),
        ('tokenizer.json', POINTER, 'tokenizer.json: a pointer of git-lfs'),
        ('tokenizer_config.json', '{"tokenizer_class": "TokenizersBackend"}', 'no pad_token'),
        ('chat_template.jinja', POINTER, 'chat_template.jinja: a pointer of git-lfs'),
        ('chat_template.jinja', '{% for message in mess', 'chat template cannot be read'),
        ('chat_template.jinja', '', 'no chat template'),
    ],
)
def test_what_a_folder_lacks_is_named(tmp_path, name, content, message):
    folder = tmp_path / 'vlm'
    shutil.copytree(BASE, folder, ignore=shutil.ignore_patterns('*.safetensors'))
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_processor(str(folder), load_family(str(folder)))
