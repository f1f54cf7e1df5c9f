"""Model folders of others: nothing of the model is drawn at random in silence."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.model_folder import load_config, load_model, model_folder
from tests.conftest import FAMILIES

POINTER = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n'
LAYER = 'layers.1.mlp.down_proj.weight'


@pytest.fixture
def folder(vlm_folder, tmp_path):
    return Path(shutil.copytree(vlm_folder('qwen2_vl'), tmp_path / 'model'))


def rewrite(folder, change):
    weights = load_file(folder / 'model.safetensors')
    save_file(change(weights), folder / 'model.safetensors', metadata={'format': 'pt'})


FOREIGN = {
    'a prefix': (
        lambda all_: {f'base_model.model.{name}': each for name, each in all_.items()},
        r'weights of the model are not in it.*of its weights are not in the model, e.g. base_model\.model\.',
    ),
    'a lost layer': (
        lambda all_: {name: each for name, each in all_.items() if LAYER not in name},
        f'1 weights of the model are not in it, e.g. .*{LAYER}',
    ),
    'one too many': (
        lambda all_: {**all_, 'visual.extra': torch.zeros(2)},
        r'1 of its weights are not in the model, e.g. .*visual\.extra',
    ),
    'another shape': (
        lambda all_: {name: each[:2].clone() if LAYER in name else each for name, each in all_.items()},
        f'1 weights have another shape, e.g. .*{LAYER}',
    ),
}


@pytest.mark.parametrize('kind', FOREIGN)
def test_weights_that_do_not_fit_are_refused_by_name(folder, kind):
    change, message = FOREIGN[kind]
    rewrite(folder, change)
    with pytest.raises(InputError, match=rf'(?s){folder}: its weights do not fit.*{message}'):
        load_model(str(folder))


@pytest.mark.parametrize('family', FAMILIES)
def test_layouts_that_models_are_published_in_are_whole(vlm_folder, tmp_path, family):
    """Names as of transformers 5 and as before, a tied head written out, buffers that are computed today."""
    folder = Path(shutil.copytree(vlm_folder(family), tmp_path / 'model'))
    before = load_model(str(folder)).state_dict()
    head = {'lm_head.weight': before['lm_head.weight'].clone()}
    computed = {'model.visual.rotary_pos_emb.inv_freq': torch.zeros(4)}
    rewrite(folder, lambda _: {**{name: each.clone() for name, each in before.items()}, **head, **computed})
    after = load_model(str(folder)).state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_broken_files_are_named(folder):
    file = folder / 'model.safetensors'
    whole = file.read_bytes()
    for content, message in [
        (POINTER.encode(), f'{file}: a pointer of git-lfs'),
        (whole[: len(whole) // 2], f'{file}: damaged or incomplete'),
    ]:
        file.write_bytes(content)
        with pytest.raises(InputError, match=message):
            load_model(str(folder))
    file.unlink()
    with pytest.raises(InputError, match='no file named model'):
        load_model(str(folder))
    (folder / 'config.json').write_text(POINTER)
    with pytest.raises(InputError, match=r'config\.json: a pointer of git-lfs'):
        load_config(str(folder))
    (folder / 'config.json').write_text(json.dumps({'model_type': 'unheard_of'}))
    with pytest.raises(InputError, match='unheard_of'):
        load_config(str(folder))
    with pytest.raises(InputError, match=r'model\.pretrained=None'):
        model_folder(None)
    (folder / 'adapter_config.json').write_text('{}')
    with pytest.raises(InputError, match=r'adapter_config\.json: .* adapters'):
        model_folder(str(folder))
