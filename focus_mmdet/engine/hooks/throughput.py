"""How fast stage 1 learns, and how much of the GPU it uses."""

import time
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from focus_mmdet.engine.loops.grpo import GRPOTrainLoop
from focus_mmdet.engine.unwrap import detector_of
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.heads.vlm_head import VLMHead


def flops_per_token(head: VLMHead) -> tuple[float, float]:
    """Model FLOPs of one training step, a text or visual token and a patch.

    Two a weight in the forward pass, two in backward where a gradient passes,
    two more where the weight itself trains. Embeddings, attention scores (3 %
    at 7B and 2,000 tokens) and recomputation under gradient checkpointing are
    left out, as is usual for the model FLOPs utilization.
    """
    vision = list(head.vlm.vision_tower.parameters())
    inside = {id(weight) for weight in vision}
    model = head.vlm.model
    tables = {id(model.get_input_embeddings().weight), id(model.get_output_embeddings().weight)}
    language = [weight for weight in head.parameters() if id(weight) not in inside | tables]

    def cost(weights: list[Any], backward: bool) -> float:
        return sum(
            _size(weight) * (2 + 2 * backward + 2 * weight.requires_grad)
            for weight in weights
            if weight.dim() > 1
        )

    trains_vision = any(weight.requires_grad for weight in vision)
    return cost(language, True), cost(vision, trains_vision)


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
        self._counted = [0, 0, 0]  # tokens, patches, episodes
        self._handle: Any = None
        self._cost = (0.0, 0.0)
        self._clock = 0.0

    def before_train(self, runner: Runner) -> None:
        if isinstance(runner.train_loop, GRPOTrainLoop):
            raise InputError('ThroughputHook is for stage 1; GRPOTrainLoop logs tokens_per_second itself')
        detector = detector_of(runner.model)
        self._cost = flops_per_token(detector.bbox_head)
        self._handle = detector.data_preprocessor.register_forward_hook(self._count)

    def after_train(self, runner: Runner) -> None:
        self._handle.remove()

    def _count(self, module: nn.Module, _: Any, output: dict[str, Any]) -> None:
        if not module.training:
            return
        batch: EpisodeBatch = output['inputs']
        tokens = sum(len(ids) for ids in [*batch.prompt_ids, *(batch.answer_ids or [])])
        batches = zip(self._counted, (tokens, len(batch.pixel_values), len(batch)), strict=True)
        self._counted = [before + now for before, now in batches]

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
        tokens, patches, episodes = self._counted
        tflops = (tokens * self._cost[0] + patches * self._cost[1]) / seconds / 1e12
        values = {
            'tokens_per_second': tokens * get_world_size() / seconds,
            'episodes_per_second': episodes * get_world_size() / seconds,
            'tflops': tflops,
        }
        if self.peak_tflops is not None:
            values['mfu'] = tflops / self.peak_tflops
        runner.message_hub.update_scalars({f'train/{name}': value for name, value in values.items()})
