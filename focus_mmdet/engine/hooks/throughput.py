"""How fast stage 1 learns, and how much of the GPU it uses."""

import time
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from focus_mmdet.engine.loops.grpo import GRPOTrainLoop
from focus_mmdet.engine.unwrap import detector_of
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.heads.vlm_head import VLMHead


def flops_per_token(head: VLMHead) -> float:
    """Model FLOPs of the language model in one training step, a text or visual token.

    Two a weight in the forward pass, two in backward where a gradient passes,
    two more where the weight itself trains. Embeddings, attention scores (3 %
    at 7B and 2,000 tokens) and recomputation under gradient checkpointing are
    left out, as is usual for the model FLOPs utilization.
    """
    model = head.vlm.model
    tables = [model.get_input_embeddings().weight, model.get_output_embeddings().weight]
    outside = {id(weight) for weight in [*head.vlm.vision_parameters, *tables]}
    return sum(
        _size(weight) * (4 + 2 * weight.requires_grad)
        for weight in head.parameters()
        if weight.dim() > 1 and id(weight) not in outside
    )


def vision_flops_per_value(head: VLMHead, batch: EpisodeBatch) -> float:
    """FLOPs of the vision part in one training step, a value of its images' pixels.

    Counted in a forward pass on ``batch``; thrice that where the part trains.
    """
    trains = any(weight.requires_grad for weight in head.vlm.vision_parameters)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        head.vlm.image_features(batch)
    return (3 if trains else 1) * counter.get_total_flops() / pixel_values(batch)


def pixel_values(batch: EpisodeBatch) -> int:
    """How many the vision part gets."""
    return sum(
        tensor.numel() for image in batch.vision for tensor in image.values() if tensor.is_floating_point()
    )


def _size(weight: Any) -> int:
    """Numbers in a weight, which bitsandbytes packs two to a byte."""
    packed = getattr(weight, 'quant_state', None)
    return int(weight.numel() if packed is None else packed.shape.numel())


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Log the speed of stage 1: all of a step's wall time counts, data included.

    ``tokens_per_second`` (padding left out) and ``episodes_per_second`` are of
    all processes, ``tflops`` of one; stage 2's loop logs its own speed.

    Args:
        peak_tflops: What one GPU can do at the precision of the run, e.g. 989
            for an H100 in bfloat16; logs ``mfu``, the share of it in 0..1.
    """

    def __init__(self, peak_tflops: float | None = None) -> None:
        if peak_tflops is not None:
            check_number('ThroughputHook.peak_tflops', peak_tflops, low=1e-3)
        self.peak_tflops = peak_tflops
        self._counted = [0, 0, 0]  # tokens, pixel values, episodes
        self._handle: Any = None
        self._cost = [0.0, 0.0]
        self._clock = 0.0

    def before_train(self, runner: Runner) -> None:
        if isinstance(runner.train_loop, GRPOTrainLoop):
            raise InputError('ThroughputHook is for stage 1; GRPOTrainLoop logs tokens_per_second itself')
        detector = detector_of(runner.model)
        self._head: VLMHead = detector.bbox_head
        self._cost = [flops_per_token(self._head), 0.0]
        self._handle = detector.data_preprocessor.register_forward_hook(self._count)

    def after_train(self, runner: Runner) -> None:
        self._handle.remove()

    def _count(self, module: nn.Module, _: Any, output: dict[str, Any]) -> None:
        if not module.training:
            return
        batch: EpisodeBatch = output['inputs']
        tokens = sum(len(ids) for ids in [*batch.prompt_ids, *(batch.answer_ids or [])])
        batches = zip(self._counted, (tokens, pixel_values(batch), len(batch)), strict=True)
        self._counted = [before + now for before, now in batches]
        if not self._cost[1]:
            self._cost[1] = vision_flops_per_value(self._head, batch)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._counted = [0, 0, 0]

    def before_train_epoch(self, runner: Runner) -> None:
        self._clock = time.perf_counter()

    def after_val(self, runner: Runner) -> None:
        self._clock = time.perf_counter()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        now = time.perf_counter()
        seconds, self._clock = now - self._clock, now
        tokens, pixels, episodes = self._counted
        tflops = (tokens * self._cost[0] + pixels * self._cost[1]) / seconds / 1e12
        values = {
            'tokens_per_second': tokens * get_world_size() / seconds,
            'episodes_per_second': episodes * get_world_size() / seconds,
            'tflops': tflops,
        }
        if self.peak_tflops is not None:
            values['mfu'] = tflops / self.peak_tflops
        runner.message_hub.update_scalars({f'train/{name}': value for name, value in values.items()})
