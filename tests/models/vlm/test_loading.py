"""Weights that are spread later: empty until fetched, and then those of the files."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from focus_mmdet.errors import InputError
from focus_mmdet.models import FocusDetector
from focus_mmdet.models.vlm.loading import fetch, load_weights, spread_later
from focus_mmdet.models.vlm.model_folder import load_model
from tests.conftest import FAMILIES

LAYER = 'layers.1.mlp.down_proj.weight'


@pytest.fixture
def folder_in(vlm_folder, tmp_path):
    """A model folder whose weights are of a type, which its ``config.json`` (float32) may not say."""

    def write(dtype: torch.dtype, family: str = 'qwen2_vl') -> Path:
        folder = Path(shutil.copytree(vlm_folder(family), tmp_path / f'{family}-{dtype}'))
        file = folder / 'model.safetensors'
        weights = {name: weight.to(dtype) for name, weight in load_file(file).items()}
        save_file(weights, file, metadata={'format': 'pt'})
        return folder

    return write


def load_later(folder: Path, dtype: torch.dtype):
    with spread_later():
        return load_weights(str(folder), dtype=dtype)


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize(
    ('stored', 'dtype'),
    [('float32', 'float32'), ('bfloat16', 'float32'), ('float32', 'bfloat16')],
)
def test_what_is_fetched_is_what_transformers_loads(folder_in, family, stored, dtype):
    stored, dtype = getattr(torch, stored), getattr(torch, dtype)
    folder = folder_in(stored, family)
    whole = load_model(str(folder), dtype=dtype)
    model, waiting = load_later(folder, dtype)
    assert bool(waiting) is (stored != dtype)
    assert {weight.dtype for weight in model.parameters()} == {dtype}
    fetch(model, waiting, 'cpu')
    assert not waiting
    for ours, theirs in [
        (model.state_dict(), whole.state_dict()),
        # The frequencies of rotary positions, computed and in no file.
        (dict(model.named_buffers()), dict(whole.named_buffers())),
    ]:
        assert ours.keys() == theirs.keys()
        assert all(ours[name].dtype == theirs[name].dtype for name in theirs)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight, 'tied'


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_adapters_are_drawn_as_over_loaded_weights(folder_in, dtype):
    folder, adapters = str(folder_in(torch.bfloat16)), []
    for later in (False, True):
        torch.manual_seed(1)
        head = {'dtype': dtype, 'lora': dict(r=4)}
        if later:
            with spread_later():
                detector = FocusDetector(folder, head)
        else:
            detector = FocusDetector(folder, head)
        adapters.append({name: weight for name, weight in detector.named_parameters() if 'lora_' in name})
    assert adapters[0].keys() == adapters[1].keys() != set()
    assert all(torch.equal(adapters[0][name], adapters[1][name]) for name in adapters[0])


@pytest.mark.parametrize('options', [dict(use_dora=True), dict(init_lora_weights='pissa')])
def test_adapters_that_begin_from_weights_need_them(folder_in, options):
    folder = str(folder_in(torch.bfloat16))
    with spread_later(), pytest.raises(InputError, match=r'begin from the weights.*Set dtype'):
        FocusDetector(folder, {'dtype': 'float32', 'lora': dict(r=4, **options)})
    with spread_later():
        FocusDetector(folder, {'dtype': 'bfloat16', 'lora': dict(r=4, **options)})


def test_quantized_weights_are_not_spread(folder_in):
    with spread_later(), pytest.raises(InputError, match=r'quantized weights are not spread; leave out'):
        load_weights(str(folder_in(torch.float32)), dtype=torch.bfloat16, quantization_config={})


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda all_: {n: w for n, w in all_.items() if LAYER not in n}, f'not in it, e.g. .*{LAYER}'),
        (lambda all_: {**all_, 'visual.extra': torch.zeros(2)}, r'not in the model, e.g. .*visual\.extra'),
        (lambda all_: {n: w[:2].clone() if LAYER in n else w for n, w in all_.items()}, f'shape.*{LAYER}'),
        (None, r'model\.safetensors: damaged or incomplete'),
    ],
    ids=['missing', 'unexpected', 'shape', 'truncated'],
)
def test_a_folder_that_does_not_fit_is_named_before_anything_is_spread(folder_in, change, message):
    folder = folder_in(torch.bfloat16)
    file = folder / 'model.safetensors'
    if change is None:
        file.write_bytes(file.read_bytes()[:-1000])
    else:
        save_file(change(load_file(file)), file, metadata={'format': 'pt'})
    with pytest.raises(InputError, match=rf'(?s){folder}.*{message}'):
        load_later(folder, torch.float32)
