from collections import OrderedDict

import pytest
import torch
from mmengine.runner.checkpoint import _load_checkpoint_to_model, load_checkpoint

from focus_mmdet.engine.optimizers.trainable_optim_wrapper_constructor import (
    TrainableOptimWrapperConstructor,
)
from focus_mmdet.errors import InputError
from focus_mmdet.models.sizing.tiny import build_tiny_vlm
from tests.conftest import FAMILIES, random_batch

LORA = {'r': 4, 'lora_alpha': 8}


@pytest.mark.parametrize('family', FAMILIES)
def test_modes(make_detector, family):
    detector = make_detector(family)
    data = random_batch(0, [1, 2])
    losses = detector.train()(**detector.data_preprocessor(data, True), mode='loss')
    assert losses['loss_lm'].requires_grad
    logits = detector(**detector.data_preprocessor(data), mode='tensor')
    assert logits.shape == (2, 512)
    samples = detector.eval().test_step(data)
    for sample in samples:
        assert len(sample.pred_instances.bboxes) == (sample.parse_error is None)
        assert isinstance(sample.answer, str)


@pytest.mark.parametrize('family', FAMILIES)
def test_a_box_comes_back_in_original_pixels(make_detector, family, monkeypatch):
    detector = make_detector(family).eval()
    data = random_batch(0, [1])
    sample = data['data_samples'][0]
    sample.set_metainfo({'ori_shape': (480, 640)})
    height, width = data['inputs'][0][-1].shape[1:]
    cells = (width, height) if family == 'qwen2_5_vl' else (1000, 1000)
    box = [cells[0] // 4, cells[1] // 2, 3 * cells[0] // 4, cells[1]]
    monkeypatch.setattr(
        type(detector.data_preprocessor.encoder), 'decode', lambda *_: f'<answer>{box}</answer>'
    )
    result = detector.test_step(data)[0]
    assert result.pred_instances.bboxes.tolist() == [[160.0, 240.0, 480.0, 480.0]]
    assert 0 < result.pred_instances.scores[0] <= 1


def test_lora_trains_the_language_model_alone_and_starts_as_the_base(make_detector):
    torch.manual_seed(0)
    detector = make_detector(lora=LORA)
    detector.init_weights()
    trainable = {name for name, weight in detector.named_parameters() if weight.requires_grad}
    assert all('language_model' in name and 'lora_' in name for name in trainable)
    kinds = {name.split('.lora_')[0].rsplit('.', 1)[1] for name in trainable}
    assert kinds == {'q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'}
    assert all((weight == 0).all() for name, weight in detector.named_parameters() if 'lora_B' in name)
    batch = detector.data_preprocessor(random_batch(0, [1]))['inputs']
    plain = make_detector()
    torch.testing.assert_close(
        detector.bbox_head.first_logits(batch, 0), plain.bbox_head.first_logits(batch, 0)
    )


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(r=0), "lora={'r': 0}: .*positive"),
        (dict(r=2, target_modules=['nowhere']), 'lora=.*nowhere.*not found'),
        (dict(rank=2), "lora={'rank': 2}: .*'rank'"),
    ],
)
def test_adapters_that_peft_refuses_are_named_by_their_key(make_detector, options, message):
    with pytest.raises(InputError, match=rf'model\.bbox_head\.{message}'):
        make_detector(lora=options)


def test_settings_that_the_optimizer_refuses_are_named_by_their_key(make_detector):
    constructor = TrainableOptimWrapperConstructor(dict(optimizer=dict(type='AdamW', lr=1e-3, betas=0.9)))
    with pytest.raises(InputError, match=r"optim_wrapper\.optimizer={'type': 'AdamW', 'lr': 0.001, 'betas'"):
        constructor(make_detector())


def shaken(detector):
    with torch.no_grad():
        for weight in detector.parameters():
            if weight.requires_grad:
                weight += torch.randn_like(weight) * 0.1
    return detector


@pytest.mark.parametrize('head', [{'lora': LORA}, {'freeze_vision': False}, {}])
def test_checkpoints_hold_what_trains_and_load_back(make_detector, head):
    detector = shaken(make_detector(**head))
    state = detector.state_dict()
    assert set(state) == {name for name, weight in detector.named_parameters() if weight.requires_grad}
    other = make_detector(**head)
    _load_checkpoint_to_model(other, {'state_dict': state})
    other.load_state_dict(state)
    for (name, ours), (_, theirs) in zip(detector.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(ours, theirs), name


def test_what_an_earlier_stage_trained_stays_in_later_checkpoints(make_detector):
    first = shaken(make_detector(freeze_vision=False))
    second = make_detector(freeze_vision=True)
    second.load_state_dict(first.state_dict())
    third = make_detector(freeze_vision=True)
    third.load_state_dict(second.state_dict())
    batch = third.data_preprocessor(random_batch(0, [1]))['inputs']
    torch.testing.assert_close(first.bbox_head.first_logits(batch, 0), third.bbox_head.first_logits(batch, 0))


@pytest.mark.parametrize(
    ('saved', 'loaded', 'message'),
    [
        ({'lora': LORA}, {'lora': {'r': 8}}, 'another shape'),
        ({'lora': LORA}, {'lora': LORA | {'lora_alpha': 16}}, 'lora_alpha=8'),
        ({'lora': LORA}, {'lora': LORA | {'use_rslora': True}}, 'use_rslora=False'),
        ({'lora': LORA | {'alpha_pattern': {'q_proj': 2}}}, {'lora': LORA}, "alpha_pattern={'q_proj': 2}"),
        ({'lora': LORA | {'init_lora_weights': 'pissa'}}, {'lora': LORA}, "init_lora_weights='pissa'"),
        ({'lora': LORA}, {'lora': LORA | {'init_lora_weights': 'pissa'}}, "init_lora_weights='drawn'"),
        ({'lora': LORA}, {}, 'not in this model'),
        ({}, {'lora': LORA}, 'are not in it'),
        ({'lora': LORA | {'target_modules': '.*q_proj'}}, {'lora': LORA}, 'are not in it'),
    ],
)
def test_a_checkpoint_of_another_adapter_is_refused_by_name(make_detector, tmp_path, saved, loaded, message):
    path = tmp_path / 'wrong.pth'
    torch.save({'meta': {}, 'state_dict': make_detector(**saved).state_dict()}, path)
    detector = make_detector(**loaded)
    before = {name: weight.clone() for name, weight in detector.named_parameters()}
    with pytest.raises(InputError, match=message) as error:
        load_checkpoint(detector, str(path))
    assert str(path) in str(error.value)
    assert all(torch.equal(before[name], weight) for name, weight in detector.named_parameters())


def test_a_start_that_is_taken_from_the_weights_without_a_draw_comes_back(make_detector):
    first = shaken(make_detector(lora=LORA | {'init_lora_weights': 'pissa'}))
    second = make_detector(lora=LORA | {'init_lora_weights': 'pissa'})
    second.load_state_dict(first.state_dict())
    batch = second.data_preprocessor(random_batch(0, [1]))['inputs']
    torch.testing.assert_close(
        first.bbox_head.first_logits(batch, 0), second.bbox_head.first_logits(batch, 0)
    )


@pytest.mark.parametrize(
    'options', [{'init_lora_weights': 'pissa_niter_4'}, {'modules_to_save': ['lm_head']}]
)
def test_adapters_that_change_more_than_a_checkpoint_holds_are_refused(make_detector, options):
    with pytest.raises(InputError, match=next(iter(options))):
        make_detector(lora=LORA | options)


@pytest.mark.parametrize('content', [{'state_dict': {'x': torch.zeros(1)}}, {'x': torch.zeros(1)}])
def test_plain_state_dicts_are_refused_by_name_too(make_detector, tmp_path, content):
    path = tmp_path / 'plain.pth'
    torch.save(content, path)
    with pytest.raises(InputError, match=r'plain\.pth does not fit'):
        load_checkpoint(make_detector(), str(path))


@pytest.mark.parametrize('sizes', [{'width': 100}, {'width': 0}, {'vision': 50}, {'layers': 0}])
def test_sizes_that_make_no_model_are_named(tmp_path, sizes):
    with pytest.raises(InputError, match=next(iter(sizes))):
        build_tiny_vlm(tmp_path / 'model', **sizes)
    assert not (tmp_path / 'model').exists()


def test_the_vision_tower_can_train_beside_adapters(make_detector):
    detector = make_detector(lora=LORA, freeze_vision=False)
    names = {name for name, weight in detector.named_parameters() if weight.requires_grad}
    assert any('visual' in name for name in names)
    assert all('visual' in name or 'lora_' in name for name in names)


@pytest.mark.parametrize('head', [{}, {'lora': LORA, 'freeze_vision': False}])
def test_half_precision_weights_do_not_train_themselves(make_detector, head):
    with pytest.raises(InputError, match="dtype='float32'"):
        make_detector(dtype='bfloat16', **head)
    adapters = make_detector(dtype='bfloat16', lora=LORA)
    data = adapters.data_preprocessor(random_batch(0, [1]))
    adapters(**data, mode='loss')['loss_lm'].backward()
    assert all(w.dtype == w.grad.dtype == torch.float32 for w in adapters.parameters() if w.requires_grad)


def test_an_answer_needs_room(make_detector):
    with pytest.raises(InputError, match='max_new_tokens=0'):
        make_detector(max_new_tokens=0)


def test_images_that_the_processor_would_resize_again_are_said_once(make_detector, monkeypatch):
    said = []
    monkeypatch.setattr(
        'focus_mmdet.models.data_preprocessors.episode_encoder.print_log', lambda text, *_: said.append(text)
    )
    speech = make_detector().data_preprocessor
    speech(random_batch(0, [1]))
    assert not said
    for _ in range(2):
        speech(random_batch(0, [1], sizes=[(50, 37)]))
    assert len(said) == 1


def test_a_stock_detectors_checkpoint_is_refused(make_detector):
    stock = OrderedDict({'backbone.conv1.weight': torch.zeros(1)})
    with pytest.raises(InputError, match='does not fit'):
        _load_checkpoint_to_model(make_detector(), {'state_dict': stock})


def test_a_missing_model_folder_says_what_to_fetch():
    from focus_mmdet.models import FocusDetector

    with pytest.raises(InputError, match='hf download'):
        FocusDetector('checkpoints/no-such-7b', bbox_head={'type': 'VLMHead'})
    with pytest.raises(InputError, match='restore that folder'):
        FocusDetector('nowhere/focus-tiny-qwen3-vl', bbox_head={'type': 'VLMHead'})


def test_scores_are_token_probabilities_until_they_are_calibrated(make_detector):
    logps = torch.tensor([-0.1, -0.5, -0.3])
    plain, flat = make_detector().bbox_head, make_detector(score_calibration=(2.0, 1.0)).bbox_head
    assert float(plain.scoring(logps, None)) == pytest.approx(float(logps.mean().exp()), rel=1e-6)
    logit = logps.mean().exp().logit()
    assert float(flat.scoring(logps, None)) == pytest.approx((2 * logit + 1).sigmoid().item())
    with pytest.raises(InputError, match='score_calibration: scale'):
        make_detector(score_calibration=('steep', 0.0))
    with pytest.raises(InputError, match='score_likeness=-1'):
        make_detector(score_likeness=-1)


def test_adapters_of_a_frozen_tower_are_refused(make_detector):
    with pytest.raises(InputError, match='layers of the vision tower'):
        make_detector(lora=dict(r=2, target_modules=r'.*(q_proj|qkv)'), freeze_vision=True)
