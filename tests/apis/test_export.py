"""Exported folders answer as the detector does, in plain transformers and peft."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import save_checkpoint
from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoModelForImageTextToText, PreTrainedModel

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.apis.export import export_huggingface, export_peft, load_detector
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.processor import load_processor
from focus_mmdet.models.vlm.vlm import load_family
from tests.conftest import FAMILIES, ROOT, plain_inputs, random_batch

LORA = dict(r=4, lora_alpha=8)


@pytest.fixture
def trained(vlm_folder, tmp_path):
    """A detector whose trainable weights have moved, through a checkpoint."""

    def make(family, pretrained=None, amount=0.05, **head):
        config = Config.fromfile(str(ROOT / 'configs/focus_tiny_stage1.py'))
        config.model.pretrained = pretrained or vlm_folder(family)
        config.model.bbox_head.update(head)
        detector = load_detector(config, None)
        torch.manual_seed(1)
        with torch.no_grad():
            for weight in detector.parameters():
                if weight.requires_grad:
                    weight.add_(amount * torch.randn_like(weight))
        path = str(tmp_path / 'trained.pth')
        save_checkpoint({'state_dict': detector.state_dict()}, path)
        return load_detector(config, path)

    return make


def logits(model, detector, batch):
    ids = batch.prompt_ids[0][None]
    return model(**plain_inputs(detector, batch, ids)).logits


@pytest.mark.parametrize('head', [dict(lora=LORA, freeze_vision=True), dict(lora=None, freeze_vision=False)])
@pytest.mark.parametrize('family', FAMILIES)
def test_the_merged_folder_gives_the_same_logits_in_transformers(trained, tmp_path, family, head):
    detector = trained(family, **head)
    batch = detector.data_preprocessor(random_batch(3, [2]))['inputs']
    folder = export_huggingface(detector, tmp_path / 'merged')
    plain = AutoModelForImageTextToText.from_pretrained(folder).eval()
    base = AutoModelForImageTextToText.from_pretrained(detector.pretrained).eval()
    with torch.no_grad():
        ours = logits(detector.bbox_head.vlm.model, detector, batch)
        torch.testing.assert_close(logits(plain, detector, batch), ours, rtol=1e-4, atol=1e-4)
        assert (logits(base, detector, batch) - ours).abs().max() > 1e-2
    vocabulary = detector.data_preprocessor.encoder.tokenizer.get_vocab()
    assert load_processor(str(folder), load_family(str(folder))).tokenizer.get_vocab() == vocabulary


@pytest.mark.parametrize(
    'options',
    [dict(use_dora=True), dict(use_rslora=True)],
    ids=lambda each: next(iter(each)),
)
def test_kinds_of_lora_are_merged_as_peft_does(trained, tmp_path, options):
    detector = trained('qwen2_vl', lora={**LORA, **options}, freeze_vision=True)
    batch = detector.data_preprocessor(random_batch(3, [2]))['inputs']
    plain = AutoModelForImageTextToText.from_pretrained(export_huggingface(detector, tmp_path / 'merged'))
    with torch.no_grad():
        ours = logits(detector.bbox_head.vlm.model, detector, batch)
        torch.testing.assert_close(logits(plain.eval(), detector, batch), ours, rtol=1e-4, atol=1e-4)


def test_half_precision_is_merged_in_float32(trained, tmp_path):
    detector = trained('qwen2_vl', lora=LORA, freeze_vision=True, dtype='bfloat16')
    folder = export_huggingface(detector, tmp_path / 'merged', 'float32')
    detector.bbox_head.vlm.model.float()
    batch = detector.data_preprocessor(random_batch(3, [2]))['inputs']
    plain = AutoModelForImageTextToText.from_pretrained(folder).eval()
    with torch.no_grad():
        ours = logits(detector.bbox_head.vlm.model, detector, batch)
        torch.testing.assert_close(logits(plain, detector, batch), ours, rtol=1e-4, atol=1e-4)


PLAIN = """
import json, sys
import torch
from transformers import AutoModelForImageTextToText

model = AutoModelForImageTextToText.from_pretrained(sys.argv[1]).eval()
settings = model.generation_config
assert (settings.do_sample, settings.repetition_penalty) == (True, 1.5)
out = model.generate(**torch.load(sys.argv[2]), max_new_tokens=12, do_sample=False, repetition_penalty=1.0)
assert not any(name.startswith(('mmengine', 'mmdet', 'focus')) for name in sys.modules)
print(json.dumps(out[0].tolist()))
"""


def test_what_batch_norms_have_seen_is_exported(trained, tmp_path):
    detector = trained('fast_vlm', lora=None, freeze_vision=False)
    model = detector.bbox_head.vlm.model
    seen = {name: buffer for name, buffer in model.named_buffers() if 'running' in name}
    assert seen
    for buffer in seen.values():
        buffer.add_(torch.rand_like(buffer))
    folder = export_huggingface(detector, tmp_path / 'merged', dtype='float16')
    plain = AutoModelForImageTextToText.from_pretrained(folder, dtype='float32').eval()
    for name, buffer in plain.named_buffers():
        if name in seen:
            torch.testing.assert_close(buffer, seen[name], rtol=1e-3, atol=1e-3)


def test_plain_transformers_answers_the_same(trained, tmp_path):
    """In a process that knows nothing of us, with what the published model says of generation."""
    source = tmp_path / 'source'
    shutil.copytree(ROOT / 'checkpoints/focus-tiny-base', source)
    detector = trained('qwen3_vl', str(source), 0.02, lora=LORA, freeze_vision=True)
    encoder = detector.data_preprocessor.encoder
    batch = detector.data_preprocessor(random_batch(3, [2]))['inputs']
    answer = detector.bbox_head.generate(batch, encoder, 12).ids[0].tolist()
    settings = dict(eos_token_id=encoder.stop_id, repetition_penalty=1.5, do_sample=True)
    (source / 'generation_config.json').write_text(json.dumps(settings))
    folder = export_huggingface(detector, tmp_path / 'merged')
    ids = batch.prompt_ids[0][None]
    inputs = tmp_path / 'inputs.pt'
    torch.save(
        dict(**plain_inputs(detector, batch, ids), suppress_tokens=encoder.forbidden_ids),
        inputs,
    )
    done = subprocess.run(
        [sys.executable, '-c', PLAIN, str(folder), str(inputs)],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = json.loads(done.stdout.splitlines()[-1])[ids.shape[1] :]
    assert theirs[: len(answer)] == answer
    assert len(set(answer)) > 1, 'a constant answer would prove little'


@pytest.mark.parametrize('family', FAMILIES)
def test_the_adapters_load_in_peft(trained, tmp_path, family):
    detector = trained(family, lora=LORA, freeze_vision=True)
    batch = detector.data_preprocessor(random_batch(3, [2]))['inputs']
    folder = export_peft(detector, tmp_path / 'adapters')
    base = AutoModelForImageTextToText.from_pretrained(detector.pretrained)
    with torch.no_grad():
        theirs = logits(PeftModel.from_pretrained(base, str(folder)).eval(), detector, batch)
        ours = logits(detector.bbox_head.vlm.model, detector, batch)
    torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-4)


def test_the_merged_folder_is_a_model_to_start_from(trained, tmp_path):
    detector = trained('qwen3_vl', lora=LORA, freeze_vision=True)
    folder = export_huggingface(detector, tmp_path / 'merged')
    config = Config.fromfile(str(ROOT / 'configs/focus_tiny_stage1.py'))
    config.model.pretrained = str(folder)
    photo = str(next((ROOT / 'data/realset').rglob('*.jpg')))
    exported, own = (InContextInferencer(config, grammar=False) for _ in range(2))
    own.answerer.model = detector.eval()
    (answer,), (same,) = (find([photo], [(photo, (10, 10, 200, 200))]) for find in (exported, own))
    assert answer.answer == same.answer
    assert answer.score == pytest.approx(same.score, rel=1e-3)


def test_nothing_is_left_of_an_export_that_finds_no_room(trained, tmp_path, monkeypatch):
    def write_half(self, folder, *_, **__):
        (Path(folder) / 'config.json').write_text('{}')
        raise SafetensorError('I/O error: File too large (os error 27)')

    detector = trained('qwen3_vl', lora=LORA)
    monkeypatch.setattr(PreTrainedModel, 'save_pretrained', write_half)
    (tmp_path / 'made').mkdir()
    with pytest.raises(InputError, match=r'made: cannot be written .*Make room'):
        export_huggingface(detector, tmp_path / 'made')
    assert not list((tmp_path / 'made').iterdir())
    assert not list(tmp_path.glob('.made*'))


def test_what_cannot_be_exported_is_refused(trained, tmp_path):
    detector = trained('qwen3_vl', lora=None, freeze_vision=False)
    with pytest.raises(InputError, match='no adapters'):
        export_peft(detector, tmp_path / 'a')
    detector = trained('qwen3_vl', lora=LORA, freeze_vision=False)
    with pytest.raises(InputError, match='more than adapters'):
        export_peft(detector, tmp_path / 'b')
    detector = trained('qwen3_vl', lora={**LORA, 'lora_bias': True})
    with pytest.raises(InputError, match='has no bias'):
        export_huggingface(detector, tmp_path / 'c')
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'mine.txt').write_text('keep me')
    with pytest.raises(InputError, match='not an empty folder'):
        export_huggingface(detector, tmp_path / 'full')
