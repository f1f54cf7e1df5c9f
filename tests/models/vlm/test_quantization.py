"""QLoRA: the frozen base in 4 bit, adapters on top."""

import importlib.util

import pytest
import torch
from mmengine.config import Config

from focus_mmdet.apis.export import export_huggingface
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm import vlm
from tests.conftest import ROOT, random_batch

OPTIONS = dict(Config.fromfile(str(ROOT / 'configs/ablations/qlora.py')).model.bbox_head.quantization)
OPTIONS['bnb_4bit_compute_dtype'] = 'float32'


def test_a_missing_package_is_named_with_what_to_install(make_detector, monkeypatch):
    monkeypatch.setattr(vlm, 'is_bitsandbytes_available', lambda: False)
    with pytest.raises(InputError, match=r'bitsandbytes and accelerate.*\.\[qlora\]'):
        make_detector(lora=dict(r=4), quantization=OPTIONS)


def test_quantized_weights_that_should_train_are_refused(make_detector):
    with pytest.raises(InputError, match='quantized weights cannot train'):
        make_detector(quantization=OPTIONS)


@pytest.mark.skipif(importlib.util.find_spec('bitsandbytes') is None, reason='needs the extra qlora')
@pytest.mark.parametrize('family', ['qwen3_vl', 'qwen2_5_vl', 'qwen2_vl'])
def test_adapters_learn_over_a_quantized_base(make_detector, tmp_path, family):
    detector = make_detector(family, lora=dict(r=4), quantization=OPTIONS)
    packed = {name for name, weight in detector.named_parameters() if weight.dtype == torch.uint8}
    assert packed
    assert all('language_model' in name and 'base_layer' in name for name in packed)
    data = detector.data_preprocessor(random_batch(0, [1, 2]), True)
    losses = detector(**data, mode='loss')
    losses['loss_lm'].backward()
    trained = {name: weight for name, weight in detector.named_parameters() if weight.requires_grad}
    assert all(torch.isfinite(weight.grad).all() for weight in trained.values())
    assert any(weight.grad.any() for weight in trained.values())
    assert detector.state_dict().keys() == trained.keys()
    detector.load_state_dict(detector.state_dict())
    with pytest.raises(InputError, match='quantization=None'):
        export_huggingface(detector, tmp_path / 'merged')
