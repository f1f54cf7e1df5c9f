"""Processors load from every layout that models are published in."""

import json
import shutil

import pytest

from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.processor import load_processor
from tests.conftest import ROOT

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
            load_processor(str(folder))
    else:
        assert load_processor(str(folder)).chat_template == template
