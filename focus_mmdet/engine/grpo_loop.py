"""Stage 2: roll out, reward, then take an ordinary training step."""

import logging
import time
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import HOOKS, LOOPS
from mmengine.dist import all_gather, all_reduce, get_rank
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import Tensor

from focus_mmdet.core.grpo import LEVELS, LOSS_TYPES, SCALES, group_advantages
from focus_mmdet.core.prefix import share_prefix
from focus_mmdet.core.prompt import parse_answer
from focus_mmdet.core.rewards import format_reward, iou_reward
from focus_mmdet.errors import InputError, check_choice, check_number
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.focus_detector import FocusDetector
from focus_mmdet.models.generation import Generated, sampling_noise
from focus_mmdet.models.rollout import GRPOObjective, Rollout

REWARDS = ('iou', 'format')
_REFERENCE = 'reference_policy'


@HOOKS.register_module()
class ReferencePolicyHook(Hook):
    """Keep the stage-1 policy in stage-2 checkpoints.

    A resumed run must measure its KL against the policy that stage 2 began
    with, which the trained weights no longer tell. The loop registers it.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        reference = _detector(runner).bbox_head.reference or {}
        checkpoint[_REFERENCE] = {name: weight.cpu() for name, weight in reference.items()}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if not runner._resume:
            return
        if _REFERENCE not in checkpoint:
            raise InputError(
                'the checkpoint to resume is not of stage 2 (GRPOTrainLoop). To start stage 2 from stage 1, '
                'set load_from to its checkpoint and leave --resume out'
            )
        if checkpoint[_REFERENCE]:
            head = _detector(runner).bbox_head
            head.reference = {
                name: weight.to(head.vlm.device) for name, weight in checkpoint[_REFERENCE].items()
            }


def _detector(runner: Runner) -> FocusDetector:
    model = runner.model
    return model.module if is_model_wrapper(model) else model


@LOOPS.register_module()
class GRPOTrainLoop(IterBasedTrainLoop):
    """Group Relative Policy Optimization with IoU and format rewards.

    Each iteration samples G answers to every prompt of the batch (one prefill
    a prompt), rewards them on the policy's device and calls the model's own
    ``train_step``, so optimizer wrapper, mixed precision, DDP and hooks work
    as they do elsewhere. Option names and defaults are ``trl.GRPOConfig``'s
    where it has them.

    Args:
        runner: The runner.
        dataloader: Config of the training dataloader.
        max_iters: Rollouts to make.
        num_generations: G, answers per prompt, at least 2.
        num_iterations: Updates per rollout.
        temperature: Of sampling.
        beta: Weight of the KL to the policy that stage 2 starts from.
        epsilon: Clip range of the probability ratio.
        importance_sampling_level: Ratio of each ``'token'`` or of the whole
            ``'sequence'``.
        scale_rewards: Advantages are divided by the standard deviation of the
            ``'group'``, of the ``'batch'``, or by ``'none'``.
        loss_type: ``'grpo'``, ``'bnpo'``, ``'dr_grpo'`` or ``'dapo'``.
        max_completion_length: Longest answer in tokens.
        reward_weights: Factor of each reward: ``iou`` and ``format``.
        val_begin: As in :class:`IterBasedTrainLoop`.
        val_interval: As in :class:`IterBasedTrainLoop`.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Any,
        max_iters: int,
        num_generations: int = 8,
        num_iterations: int = 1,
        temperature: float = 1.0,
        beta: float = 0.0,
        epsilon: float = 0.2,
        importance_sampling_level: str = 'token',
        scale_rewards: str = 'group',
        loss_type: str = 'dapo',
        max_completion_length: int = 50,
        reward_weights: dict[str, float] | None = None,
        val_begin: int = 1,
        val_interval: int = 1000,
    ) -> None:
        super().__init__(runner, dataloader, max_iters, val_begin, val_interval)
        check_number('train_cfg.num_generations', num_generations, low=2, whole=True)
        check_number('train_cfg.num_iterations', num_iterations, low=1, whole=True)
        check_number('train_cfg.max_completion_length', max_completion_length, low=1, whole=True)
        check_number('train_cfg.temperature', temperature, low=1e-3)
        check_number('train_cfg.beta', beta, low=0)
        check_number('train_cfg.epsilon', epsilon, low=0, high=1)
        check_choice('train_cfg.loss_type', loss_type, LOSS_TYPES)
        check_choice('train_cfg.scale_rewards', scale_rewards, SCALES)
        check_choice('train_cfg.importance_sampling_level', importance_sampling_level, LEVELS)
        self.reward_weights = reward_weights or {'iou': 1.0, 'format': 0.5}
        for name, weight in self.reward_weights.items():
            check_choice('train_cfg.reward_weights', name, REWARDS)
            check_number(f'train_cfg.reward_weights.{name}', weight, low=0)
        self.num_generations = num_generations
        self.num_iterations = num_iterations
        self.scale_rewards = scale_rewards
        self.objective = GRPOObjective(
            beta, epsilon, importance_sampling_level, loss_type, temperature, max_completion_length
        )
        if not any(isinstance(hook, ReferencePolicyHook) for hook in runner.hooks):
            runner.register_hook(ReferencePolicyHook())

    def run(self) -> Any:
        """Train; the policy as it is now becomes the reference of the KL."""
        head = _detector(self.runner).bbox_head
        if head.attn_implementation != 'sdpa':
            raise InputError("GRPOTrainLoop needs model.bbox_head.attn_implementation='sdpa'")
        if any(weight.requires_grad for weight in head.vlm.vision_tower.parameters()):
            raise InputError('GRPOTrainLoop keeps the vision tower: set model.bbox_head.freeze_vision=True')
        accumulated = self.runner.optim_wrapper._accumulative_counts
        if self.num_iterations > 1 and accumulated > 1:
            raise InputError(
                f'train_cfg.num_iterations={self.num_iterations} with optim_wrapper.accumulative_counts='
                f'{accumulated}: passes over one rollout would be summed, not followed by updates; '
                'set one of them to 1'
            )
        if self._iter == 0:
            if not self.runner._has_loaded:
                print_log(
                    'Stage 2 starts from the base model: set load_from to a stage-1 checkpoint',
                    'current',
                    logging.WARNING,
                )
            head.reference = head.snapshot() if self.objective.beta != 0 else None
        elif self.objective.beta != 0 and head.reference is None:
            raise InputError(
                'the checkpoint to resume holds no reference policy (its run had beta=0); '
                'resume with train_cfg.beta=0, or start anew with load_from'
            )
        # Accumulation boundaries count updates, of which a rollout makes several.
        self.runner.optim_wrapper.initialize_count_status(
            self.runner.model, self._iter * self.num_iterations, self._max_iters * self.num_iterations
        )
        return super().run()

    def run_iter(self, data_batch: Any) -> None:
        """One rollout and ``num_iterations`` updates on it."""
        self.runner.call_hook('before_train_iter', batch_idx=self._iter, data_batch=data_batch)
        started = time.perf_counter()
        data = _detector(self.runner).data_preprocessor(data_batch, training=True)
        generated = self._roll_out(data['inputs'])
        rollout, metrics = self._reward(data['inputs'], generated)
        metrics['seconds/rollout'] = time.perf_counter() - started
        if self.num_iterations > 1:
            rollout.old_logps = self._log_probabilities(data['inputs'], rollout)
        for _ in range(self.num_iterations):
            outputs = self.runner.model.train_step(
                {**data, 'rollout': rollout}, optim_wrapper=self.runner.optim_wrapper
            )
        metrics['seconds/step'] = time.perf_counter() - started
        losses = {name: float(_mean_over_ranks(torch.as_tensor(value))) for name, value in outputs.items()}
        self.runner.call_hook(
            'after_train_iter', batch_idx=self._iter, data_batch=data_batch, outputs={**losses, **metrics}
        )
        self._iter += 1

    def _seeds(self, count: int) -> list[int]:
        """One seed per answer from (seed, step, rank, episode, sample)."""
        base = (int(self.runner.seed or 0) * 1_000_003 + self._iter) * 1_009 + get_rank()
        return [(base * 1_000_003 + index) % 2**63 for index in range(count)]

    def _roll_out(self, batch: EpisodeBatch) -> Generated:
        detector = _detector(self.runner)
        detector.eval()
        length = self.objective.max_completion_length
        with self.runner.optim_wrapper.optim_context(detector):
            generated = detector.bbox_head.generate(
                batch,
                detector.data_preprocessor,
                length,
                num_generations=self.num_generations,
                temperature=self.objective.temperature,
                noise=sampling_noise(self._seeds(len(batch) * self.num_generations), length),
            )
        detector.train()
        return generated

    def _groups(self, answers: Sequence[Tensor]) -> list[list[Tensor]]:
        size = self.num_generations
        return [list(answers[start : start + size]) for start in range(0, len(answers), size)]

    @torch.no_grad()
    def _log_probabilities(self, batch: EpisodeBatch, rollout: Rollout) -> Tensor:
        detector = _detector(self.runner)
        shared = share_prefix(batch.prompt_ids, rollout.answers, detector.pad_id)
        with self.runner.optim_wrapper.optim_context(detector):
            logps, _ = detector.bbox_head.answer_logps(batch, shared, self.objective.temperature)
        return logps

    def _reward(self, batch: EpisodeBatch, generated: Generated) -> tuple[Rollout, dict[str, float]]:
        if batch.targets is None:
            raise InputError('GRPO needs exactly one ground-truth box in every query image')
        speech = _detector(self.runner).data_preprocessor
        answers = [parse_answer(speech.decode(ids)) for ids in generated.ids]
        device = batch.targets.device
        boxes = torch.tensor([answer.box or (0, 0, 0, 0) for answer in answers], device=device)
        parsed = torch.tensor([answer.box is not None for answer in answers], device=device)
        well_formed = torch.tensor([answer.well_formed for answer in answers], device=device)
        targets = batch.targets.repeat_interleave(self.num_generations, 0)
        rewards = {
            'iou': iou_reward(boxes, targets, parsed),
            'format': format_reward(well_formed),
        }
        total = sum(
            (self.reward_weights.get(name, 0.0) * value for name, value in rewards.items()),
            torch.zeros(len(answers), device=device),
        )
        spread = total.view(-1, self.num_generations).std(1)
        tokens = torch.tensor(float(sum(len(ids) for ids in generated.ids)), device=device)
        metrics = {
            'reward': total.mean(),
            'reward_std': spread.mean(),
            'frac_reward_zero_std': (spread < 1e-6).float().mean(),
            **{f'rewards/{name}': value.mean() for name, value in rewards.items()},
            'completions/mean_length': tokens / len(answers),
            'completions/clipped_ratio': generated.cut.float().mean(),
        }
        rollout = Rollout(
            answers=self._groups(generated.ids),
            advantages=group_advantages(
                total, self.num_generations, self.scale_rewards, torch.cat(all_gather(total))
            ),
            objective=self.objective,
            global_tokens=_mean_over_ranks(tokens),
        )
        return rollout, {name: float(_mean_over_ranks(value)) for name, value in metrics.items()}


def _mean_over_ranks(value: Tensor) -> Tensor:
    value = value.detach().clone()
    all_reduce(value, op='mean')
    return value
