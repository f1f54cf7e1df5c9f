"""VLLMRollout against a stand-in for vLLM that answers with transformers.

The real vLLM has not run; this checks what it is sent: prompts with one
placeholder an image, the images, seeds, and the weights of the policy now.
"""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from transformers import AutoModelForImageTextToText

from focus_mmdet.engine.rollouts import vllm_rollout
from focus_mmdet.engine.rollouts.rollout_engine import RolloutRequest, SharedPrefillRollout
from focus_mmdet.engine.rollouts.vllm_rollout import VLLMRollout
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.generation import Sampling
from focus_mmdet.models.vlm.processor import load_processor
from focus_mmdet.models.vlm.vlm import load_family
from tests.conftest import random_batch


class StandIn:
    """``vllm.LLM`` as far as VLLMRollout uses it."""

    def __init__(self, model, dtype, **options):
        assert dtype == 'float32'
        self.model = AutoModelForImageTextToText.from_pretrained(model)
        self.processor = load_processor(model, load_family(model))
        runner = SimpleNamespace(model=SimpleNamespace(load_weights=self.load_weights))
        worker = SimpleNamespace(driver_worker=SimpleNamespace(model_runner=runner))
        self.llm_engine = SimpleNamespace(model_executor=worker)
        self.requests = []

    def load_weights(self, weights):
        own = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, weight in weights:
                own[name].copy_(weight)

    def reset_prefix_cache(self):
        pass

    def generate(self, prompts, settings, use_tqdm):
        return [self.answer(*pair) for pair in zip(prompts, settings, strict=True)]

    def answer(self, prompt, options):
        self.requests.append(options)
        text = self.processor.tokenizer.decode(prompt['prompt_token_ids'])
        inputs = self.processor(text=text, images=prompt['multi_modal_data']['image'], return_tensors='pt')
        out = self.model.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=options.max_tokens,
            suppress_tokens=list(options.logit_bias),
            eos_token_id=options.stop_token_ids,
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        )
        ids = out.sequences[0, inputs['input_ids'].shape[1] :].tolist()
        logps = [
            {token: SimpleNamespace(logprob=float(logits[0].log_softmax(-1)[token]))}
            for token, logits in zip(ids, out.logits, strict=True)
        ]
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids, logprobs=logps)])


@pytest.fixture
def rollout(monkeypatch):
    vllm = ModuleType('vllm')
    vllm.LLM, vllm.SamplingParams = StandIn, SimpleNamespace
    monkeypatch.setitem(sys.modules, 'vllm', vllm)
    return VLLMRollout()


def test_each_process_has_its_own_gpu(rollout, make_detector, monkeypatch):
    started = []
    monkeypatch.setattr(rollout._vllm, 'LLM', lambda **options: started.append(options))
    monkeypatch.setattr(vllm_rollout, 'get_world_size', lambda: 2)
    rollout._start(make_detector())
    assert started[0]['distributed_executor_backend'] == 'external_launcher'


def test_quantized_weights_are_not_sent(rollout, make_detector):
    detector = make_detector()
    detector.bbox_head.vlm.model.is_quantized = True
    with pytest.raises(InputError, match='quantization'):
        rollout.sample(detector, None)


@pytest.mark.parametrize('family', ['qwen3_vl', 'fast_vlm'])
@pytest.mark.parametrize('lora', [None, dict(r=4, lora_alpha=8)])
def test_it_answers_as_the_training_model_does_now(make_detector, rollout, family, lora):
    detector = make_detector(family, lora=lora).eval()
    data = random_batch(2, [1, 2])
    request = RolloutRequest(
        detector.data_preprocessor(data)['inputs'], data['inputs'], 2, 6, Sampling(top_k=1), [5, 6, 7, 8]
    )
    before = rollout.sample(detector, request)
    with torch.no_grad():
        for name, weight in detector.named_parameters():
            if weight.requires_grad and ('lora_B' in name or (lora is None and 'mlp' in name)):
                weight.add_(torch.randn_like(weight) * 0.2)
    after = rollout.sample(detector, request)
    expected = SharedPrefillRollout().sample(detector, request)
    rows = [row.tolist() for row in after.ids]
    assert rows == [row.tolist() for row in expected.ids]
    assert rows != [row.tolist() for row in before.ids]
    assert after.cut.tolist() == expected.cut.tolist()
    assert [options.seed for options in rollout._engine.requests] == [5, 6, 7, 8] * 2
