"""Rollouts by vLLM, in the training process (``pip install -e '.[vllm]'``).

Not run with a real vLLM yet: its requests and the weights it is sent are
tested against a stand-in that answers with transformers.
"""

import os
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import TASK_UTILS
from mmengine.dist import get_world_size
from PIL import Image
from torch import Tensor

from focus_mmdet.engine.rollouts.rollout_engine import RolloutEngine, RolloutRequest
from focus_mmdet.errors import InputError
from focus_mmdet.models.detectors.focus_detector import FocusDetector
from focus_mmdet.models.vlm.generation import Generated
from focus_mmdet.models.vlm.lora import merged_weights
from focus_mmdet.models.vlm.sharding import is_sharded


@TASK_UTILS.register_module()
class VLLMRollout(RolloutEngine):
    """One request per answer, so each keeps its own seed; vLLM's prefix cache
    shares the prompts. The trained weights are sent before each rollout.

    Args:
        **options: Of ``vllm.LLM``, e.g. ``gpu_memory_utilization=0.3``.

    Raises:
        InputError: vLLM is not installed, or weights are quantized or sharded.
    """

    def __init__(self, **options: Any) -> None:
        # Weights are handed over in memory, so the engine must live in this process.
        os.environ['VLLM_ENABLE_V1_MULTIPROCESSING'] = '0'
        try:
            import vllm
        except ImportError as error:
            raise InputError(
                "train_cfg.rollout=dict(type='VLLMRollout') needs vLLM: pip install -e '.[vllm]', "
                "or use dict(type='SharedPrefillRollout')"
            ) from error
        self._vllm: Any = vllm
        self._options = options
        self._engine: Any = None

    def sample(self, detector: FocusDetector, request: RolloutRequest) -> Generated:
        self._send_weights(detector)
        device = request.batch.prompt_ids[0].device
        prompts, settings = self._requests(detector, request)
        # Its kernels are for its own types.
        with torch.autocast(device.type, enabled=False):
            outputs = self._engine.generate(prompts, settings, use_tqdm=False)
        completions = [output.outputs[0] for output in outputs]
        stop = detector.data_preprocessor.encoder.stop_id
        ids = [torch.tensor(list(completion.token_ids), device=device) for completion in completions]
        logps = [
            torch.tensor(
                [step[token].logprob for step, token in zip(each.logprobs, each.token_ids, strict=True)]
            )
            for each in completions
        ]
        return Generated(
            ids=ids,
            logps=[row.to(device) for row in logps],
            cut=torch.tensor([int(row[-1]) != stop for row in ids], device=device),
        )

    def _send_weights(self, detector: FocusDetector) -> None:
        if is_sharded(detector):
            raise InputError('train_cfg.rollout VLLMRollout does not go with FullyShardedModel')
        if getattr(detector.bbox_head.vlm.model, 'is_quantized', False):
            raise InputError('train_cfg.rollout VLLMRollout does not go with model.bbox_head.quantization')
        if self._engine is None:
            self._engine = self._start(detector)
        executor = self._engine.llm_engine.model_executor
        executor.driver_worker.model_runner.model.load_weights(merged_weights(detector.bbox_head.vlm.model))
        # Keys and values of shared prompts were computed by the weights before.
        self._engine.reset_prefix_cache()

    def _start(self, detector: FocusDetector) -> Any:
        options = {
            'model': detector.pretrained,
            'dtype': str(next(detector.parameters()).dtype).removeprefix('torch.'),
            'enable_prefix_caching': True,
            'limit_mm_per_prompt': {'image': 16},
            # Log-probabilities after temperature, top-k and top-p.
            'logprobs_mode': 'processed_logprobs',
        }
        if get_world_size() > 1:
            # Else every process's engine is on the first GPU.
            options['distributed_executor_backend'] = 'external_launcher'
        return self._vllm.LLM(**{**options, **self._options})

    def _requests(self, detector: FocusDetector, request: RolloutRequest) -> tuple[list[dict], list[Any]]:
        speech = detector.data_preprocessor.encoder
        # vLLM has no list of forbidden ids; this bias is one.
        bias = dict.fromkeys(speech.forbidden_ids, -100.0)
        prompts, settings = [], []
        for index, seed in enumerate(request.seeds):
            episode = index // request.num_generations
            ids = one_per_image(
                request.batch.prompt_ids[episode],
                request.batch.image_spans[episode],
                speech.family.image_token_id,
            )
            images = [
                Image.fromarray(image.permute(1, 2, 0).cpu().numpy()) for image in request.images[episode]
            ]
            prompts.append({'prompt_token_ids': ids, 'multi_modal_data': {'image': images}})
            settings.append(
                self._vllm.SamplingParams(
                    temperature=request.sampling.temperature,
                    top_p=request.sampling.top_p,
                    top_k=request.sampling.top_k,
                    seed=seed,
                    max_tokens=request.max_new_tokens,
                    stop_token_ids=[speech.stop_id],
                    logit_bias=bias,
                    logprobs=0,
                    skip_special_tokens=False,
                )
            )
        return prompts, settings


def one_per_image(ids: Tensor, spans: Sequence[tuple[int, int]], image_token_id: int) -> list[int]:
    """Prompt ids (P,) with one placeholder for each image: vLLM writes the rest itself."""
    starts, stops = zip(*spans, strict=True)
    pieces = zip([0, *stops], [*starts, len(ids)], strict=True)
    first, *others = (ids[start:stop].tolist() for start, stop in pieces)
    return first + [token for piece in others for token in (image_token_id, *piece)]
