"""Stage 2: roll out, reward, then take an ordinary training step."""

import logging
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from mmdet.registry import LOOPS
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor
from torch.nn import Dropout
from torch.nn.utils.rnn import pad_sequence

from focus_mmdet.core.grpo import LEVELS, LOSS_TYPES, SCALES, group_advantages
from focus_mmdet.core.prefix import share_prefix
from focus_mmdet.core.token_budget import split_by_tokens, split_further
from focus_mmdet.engine.loops.reference_policy import ReferencePolicyHook
from focus_mmdet.engine.loops.resumable import ResumableTrainLoop
from focus_mmdet.engine.mean_over_ranks import mean_over_ranks
from focus_mmdet.engine.rewards import Answers, build_rewards, give_rewards
from focus_mmdet.engine.rollouts.rollout_engine import RolloutRequest, build_rollout_engine
from focus_mmdet.engine.unwrap import detector_of
from focus_mmdet.errors import InputError, check_choice, check_number
from focus_mmdet.models.detectors.focus_detector import FocusDetector
from focus_mmdet.models.episode_batch import EpisodeBatch, require_ground_truth
from focus_mmdet.models.heads.rollout import GRPOObjective, Rollout
from focus_mmdet.models.vlm.generation import Generated, Sampling

PAPER_REWARDS = (dict(type='IoUReward'), dict(type='FormatReward', weight=0.5))


@dataclass(frozen=True)
class ScoredAnswers:
    """The last rollout, for who wants to look at it.

    Attributes:
        answers: B * G answers, those of one prompt side by side.
        rewards: (B * G,) total reward.
        each: (B * G,) every reward by name.
        advantages: (B * G,).
        cells: (B, 2) largest x and y coordinate of an answer.
    """

    answers: Answers
    rewards: Tensor
    each: dict[str, Tensor]
    advantages: Tensor
    cells: Tensor


@LOOPS.register_module()
class GRPOTrainLoop(ResumableTrainLoop):
    """Group Relative Policy Optimization.

    Each iteration samples G answers to every prompt of the batch, rewards
    them on the policy's device and calls the model's own ``train_step``, so
    optimizer wrapper, mixed precision, DDP and hooks work as they do
    elsewhere. Options that ``trl.GRPOConfig`` has go by its names; metrics of
    several updates are averaged.

    Args:
        runner: The runner.
        dataloader: Config of the training dataloader.
        max_iters: Rollouts to make.
        num_generations: G, answers per prompt, at least 2.
        num_iterations: Updates per rollout.
        temperature: Of sampling.
        top_p: Sample from the fewest tokens that hold this probability.
        top_k: Sample from this many most probable tokens; 0 for all.
        beta: Weight of the KL to the policy that stage 2 starts from.
        epsilon: Clip range of the probability ratio.
        epsilon_high: Clip range above 1; default: ``epsilon``.
        importance_sampling_level: Ratio of each ``'token'`` or of the whole
            ``'sequence'``.
        use_bias_correction_kl: Multiply the k3 estimate of the KL by the
            ratio, which makes its gradient that of the KL.
        scale_rewards: Advantages are divided by the standard deviation of the
            ``'group'``, of the ``'batch'``, or by ``'none'``.
        loss_type: ``'grpo'``, ``'bnpo'``, ``'dr_grpo'`` or ``'dapo'``.
        max_completion_length: Longest answer in tokens (50 in the paper).
        rewards: Configs of :class:`focus_mmdet.engine.rewards.Reward`;
            default: IoU + 0.5 format, the paper's.
        rollout: Config of the :class:`focus_mmdet.engine.rollouts.rollout_engine.RolloutEngine`.
        max_tokens_per_pass: Learn from at most this many tokens at a time,
            padding included, one group at least; gradients add up to those of
            one pass. None learns from the whole batch at once.
        val_begin: As in ``IterBasedTrainLoop``.
        val_interval: As in ``IterBasedTrainLoop``.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Any,
        max_iters: int,
        num_generations: int = 8,
        num_iterations: int = 1,
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int = 0,
        beta: float = 0.0,
        epsilon: float = 0.2,
        epsilon_high: float | None = None,
        importance_sampling_level: str = 'token',
        use_bias_correction_kl: bool = True,
        scale_rewards: str = 'group',
        loss_type: str = 'dapo',
        max_completion_length: int = 50,
        rewards: Sequence[dict] = PAPER_REWARDS,
        rollout: dict | None = None,
        max_tokens_per_pass: int | None = None,
        val_begin: int = 1,
        val_interval: int = 1000,
    ) -> None:
        check_number('train_cfg.val_interval', val_interval, low=1, whole=True)
        super().__init__(runner, dataloader, max_iters, val_begin, val_interval)
        check_number('train_cfg.num_generations', num_generations, low=2, whole=True)
        check_number('train_cfg.num_iterations', num_iterations, low=1, whole=True)
        check_number('train_cfg.max_completion_length', max_completion_length, low=1, whole=True)
        check_number('train_cfg.temperature', temperature, low=1e-3)
        check_number('train_cfg.top_p', top_p, low=1e-3, high=1)
        check_number('train_cfg.top_k', top_k, low=0, whole=True)
        check_number('train_cfg.beta', beta, low=0)
        check_number('train_cfg.epsilon', epsilon, low=0, high=1)
        if epsilon_high is not None:
            check_number('train_cfg.epsilon_high', epsilon_high, low=0)
        if max_tokens_per_pass is not None:
            check_number('train_cfg.max_tokens_per_pass', max_tokens_per_pass, low=1, whole=True)
        check_choice('train_cfg.loss_type', loss_type, LOSS_TYPES)
        check_choice('train_cfg.scale_rewards', scale_rewards, SCALES)
        check_choice('train_cfg.use_bias_correction_kl', use_bias_correction_kl, (True, False))
        check_choice('train_cfg.importance_sampling_level', importance_sampling_level, LEVELS)
        self.num_generations = num_generations
        self.num_iterations = num_iterations
        self.scale_rewards = scale_rewards
        self.sampling = Sampling(temperature, top_p, top_k)
        self.objective = GRPOObjective(
            beta,
            epsilon,
            epsilon_high,
            importance_sampling_level,
            use_bias_correction_kl,
            loss_type,
            temperature,
            max_completion_length,
        )
        self.rewards = build_rewards(rewards)
        self.engine = build_rollout_engine(rollout or dict(type='SharedPrefillRollout'))
        self.max_tokens_per_pass = max_tokens_per_pass
        #: Set in every iteration, before ``after_train_iter``.
        self.last_rollout: ScoredAnswers | None = None
        if not any(isinstance(hook, ReferencePolicyHook) for hook in runner.hooks):
            runner.register_hook(ReferencePolicyHook())

    @property
    def detector(self) -> FocusDetector:
        """The policy."""
        return detector_of(self.runner.model)

    def run(self) -> Any:
        """Train; the policy as it is now becomes the reference of the KL."""
        self._refuse_what_cannot_work()
        head = self.detector.bbox_head
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
        return super().run()

    def _refuse_what_cannot_work(self) -> None:
        head = self.detector.bbox_head
        if head.attn_implementation != 'sdpa':
            raise InputError("GRPOTrainLoop needs model.bbox_head.attn_implementation='sdpa'")
        if any(weight.requires_grad for weight in head.vlm.vision_tower.parameters()):
            raise InputError('GRPOTrainLoop keeps the vision tower: set model.bbox_head.freeze_vision=True')
        if any(isinstance(module, Dropout) and module.p > 0 for module in head.vlm.modules()):
            raise InputError(
                'GRPOTrainLoop compares the log-probabilities of several passes, which dropout makes differ: '
                'set model.bbox_head.lora.lora_dropout=0.0'
            )
        accumulated = self.runner.optim_wrapper._accumulative_counts
        if self.num_iterations > 1 and accumulated > 1:
            raise InputError(
                f'train_cfg.num_iterations={self.num_iterations} with optim_wrapper.accumulative_counts='
                f'{accumulated}: passes over one rollout would be summed, not followed by updates; '
                'set one of them to 1'
            )
        if self.objective.loss_type == 'dapo' and accumulated > 1:
            raise InputError(
                f"train_cfg.loss_type='dapo' with optim_wrapper.accumulative_counts={accumulated}: it weighs "
                'the tokens of all answers of a step alike, and the later ones are not known yet. Raise '
                'train_dataloader.batch_size, and set train_cfg.max_tokens_per_pass to what memory holds'
            )

    def run_iter(self, data_batch: Any) -> None:
        """One rollout and ``num_iterations`` updates on it."""
        self.runner.call_hook('before_train_iter', batch_idx=self._iter, data_batch=data_batch)
        clock = [time.perf_counter()]
        data = self.detector.data_preprocessor(data_batch, training=True)
        batch: EpisodeBatch = data['inputs']
        generated = self._roll_out(batch, data_batch['inputs'])
        clock.append(time.perf_counter())
        scored = self._reward(batch, generated, data['data_samples'])
        clock.append(time.perf_counter())
        rollout = self._rollout(batch, generated, scored)
        updates = [self._update(data, rollout) for _ in range(self.num_iterations)]
        clock.append(time.perf_counter())
        metrics = {
            **{name: sum(each[name] for each in updates) / len(updates) for name in updates[0]},
            **self._reward_metrics(scored, generated),
            **_speed(clock, sum(len(ids) for ids in batch.prompt_ids) + rollout.tokens),
        }
        self.last_rollout = scored
        self.runner.call_hook(
            'after_train_iter', batch_idx=self._iter, data_batch=data_batch, outputs=mean_over_ranks(metrics)
        )
        self._iter += 1

    def _seeds(self, episodes: int) -> list[int]:
        """One seed per answer from (seed, step, episode, sample).

        Episodes are counted over all ranks, so answers do not depend on how
        many processes share them.
        """
        size = self.num_generations
        base = (int(self.runner.seed or 0) * 1_000_003 + self._iter) * 1_000_003
        # The samplers deal episodes out to the ranks in turns.
        places = [index * get_world_size() + get_rank() for index in range(episodes)]
        return [(base + place * size + sample) % 2**63 for place in places for sample in range(size)]

    def _roll_out(self, batch: EpisodeBatch, images: list[list[Tensor]]) -> Generated:
        detector = self.detector
        request = RolloutRequest(
            batch,
            images,
            self.num_generations,
            self.objective.max_completion_length,
            self.sampling,
            self._seeds(len(batch)),
        )
        # Evaluation mode: gradient checkpointing would switch the cache off.
        detector.eval()
        with torch.no_grad(), self.runner.optim_wrapper.optim_context(detector):
            generated = self.engine.sample(detector, request)
        detector.train()
        return generated

    def _reward(self, batch: EpisodeBatch, generated: Generated, samples: Sequence[Any]) -> ScoredAnswers:
        require_ground_truth(batch, samples)
        assert batch.targets is not None
        size, encoder = self.num_generations, self.detector.data_preprocessor.encoder
        answers = Answers.read(
            [encoder.decode(ids) for ids in generated.ids],
            batch.targets.repeat_interleave(size, 0),
            [sample.img_id for sample in samples for _ in range(size)],
            encoder.read,
            batch.cells.repeat_interleave(size, 0),
        )
        total, each = give_rewards(self.rewards, answers)
        advantages = group_advantages(total, size, self.scale_rewards, torch.cat(all_gather(total)))
        return ScoredAnswers(answers, total, each, advantages, batch.cells)

    def _rollout(self, batch: EpisodeBatch, generated: Generated, scored: ScoredAnswers) -> Rollout:
        size = self.num_generations
        answers = [generated.ids[start : start + size] for start in range(0, len(generated.ids), size)]
        tokens = sum(len(ids) for ids in generated.ids)
        rollout = Rollout(
            answers=answers,
            advantages=scored.advantages,
            objective=self.objective,
            total_answers=len(generated.ids),
            total_tokens=tokens,
            global_tokens=mean_over_ranks({'tokens': scored.rewards.new_tensor(float(tokens))})['tokens'],
        )
        if self.num_iterations > 1:
            rollout = replace(rollout, old_logps=self._log_probabilities(batch, rollout))
        return rollout

    @torch.no_grad()
    def _log_probabilities(self, batch: EpisodeBatch, rollout: Rollout) -> Tensor:
        """(B * G, L) under the policy that sampled."""
        rows = []
        for start, stop in self._parts(batch, rollout):
            part = batch.select(start, stop)
            shared = share_prefix(part.prompt_ids, rollout.answers[start:stop], self.detector.pad_id)
            with self.runner.optim_wrapper.optim_context(self.detector):
                logps, _ = self.detector.bbox_head.answer_logps(part, shared, self.objective.temperature)
            rows += list(logps)
        return pad_sequence(rows, batch_first=True)

    def _parts(self, batch: EpisodeBatch, rollout: Rollout) -> list[tuple[int, int]]:
        """Ranges of groups to learn from at a time, as many on every rank."""
        limit = self.max_tokens_per_pass
        if limit is None:
            return [(0, len(batch))]
        prompts = [len(prompt) for prompt in batch.prompt_ids]
        answers = [sum(len(answer) for answer in group) for group in rollout.answers]
        parts = split_by_tokens(prompts, answers, limit)
        needed = torch.tensor(len(parts), device=rollout.advantages.device)
        all_reduce(needed, op='max')
        return split_further(parts, int(needed))

    def _update(self, data: dict[str, Any], rollout: Rollout) -> dict[str, Tensor]:
        """One optimizer update; sums losses, averages the rest over tokens."""
        batch: EpisodeBatch = data['inputs']
        parts = self._parts(batch, rollout)
        totals: dict[str, Tensor] = {}
        for start, stop in parts:
            piece = rollout.select(start, stop)
            inputs = {
                'inputs': batch.select(start, stop) if len(parts) > 1 else batch,
                'data_samples': data['data_samples'][start:stop],
                'rollout': piece,
            }
            if stop == len(batch):
                outputs = self.runner.model.train_step(inputs, optim_wrapper=self.runner.optim_wrapper)
            else:
                outputs = self._accumulate(inputs)
            for name, value in outputs.items():
                share = 1.0 if 'loss' in name else piece.tokens / rollout.tokens
                totals[name] = totals.get(name, 0.0) + share * value
        return totals

    def _accumulate(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """Backward of a part that is not the last, without a step."""
        model, wrapper = self.runner.model, self.runner.optim_wrapper
        quiet = model.no_sync() if hasattr(model, 'no_sync') else nullcontext()
        with quiet, wrapper.optim_context(model):
            losses = model(**inputs, mode='loss')
            loss, outputs = self.detector.parse_losses(losses)
            wrapper.backward(wrapper.scale_loss(loss))
        # The wrapper counts backward passes, and parts make up one.
        wrapper._inner_count -= 1
        return outputs

    def _reward_metrics(self, scored: ScoredAnswers, generated: Generated) -> dict[str, Tensor]:
        """Under TRL's names."""
        spread = scored.rewards.view(-1, self.num_generations).std(1)
        lengths = spread.new_tensor([len(ids) for ids in generated.ids])
        metrics = {
            'reward': scored.rewards.mean(),
            'reward_std': spread.mean(),
            'frac_reward_zero_std': (spread < 1e-6).float().mean(),
            'completions/mean_length': lengths.mean(),
            'completions/clipped_ratio': generated.cut.float().mean(),
        }
        for name, values in scored.each.items():
            metrics[f'rewards/{name}/mean'] = values.mean()
            metrics[f'rewards/{name}/std'] = values.std()
        return metrics


def _speed(clock: Sequence[float], tokens: int) -> dict[str, Tensor]:
    """Seconds of each phase, and prompt and answer tokens of all ranks a second."""
    rollout, reward, update = (after - before for before, after in pairwise(clock))
    seconds = {'seconds/rollout': rollout, 'seconds/reward': reward, 'seconds/update': update}
    seconds['tokens_per_second'] = tokens * get_world_size() / (clock[-1] - clock[0])
    return {name: torch.tensor(value) for name, value in seconds.items()}
