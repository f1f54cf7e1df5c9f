"""Stage 2: roll out, reward, then take an ordinary training step."""

import logging
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
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
from focus_mmdet.engine.loops.scored_answers import ScoredAnswers, seconds_of_phases
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


@LOOPS.register_module()
class GRPOTrainLoop(ResumableTrainLoop):
    """Group Relative Policy Optimization.

    Each iteration samples G answers to every prompt of the step, rewards
    them on the policy's device and calls the model's own ``train_step``, so
    optimizer wrapper, mixed precision, DDP and hooks work as they do
    elsewhere. Where a step has several batches, they are answered and learned
    from one by one, and advantages and losses are those of one large batch.
    Options that ``trl.GRPOConfig`` has go by its names; metrics of several
    updates are averaged.

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
        effective_batch: Prompts of a step; see :class:`ResumableTrainLoop`.
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
        effective_batch: int | None = None,
        val_begin: int = 1,
        val_interval: int = 1000,
    ) -> None:
        check_number('train_cfg.val_interval', val_interval, low=1, whole=True)
        super().__init__(
            runner, dataloader, max_iters, val_begin, val_interval, effective_batch=effective_batch
        )
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
        if any(weight.requires_grad for weight in head.vlm.vision_parameters):
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
                'the tokens of all answers of a step alike, and the later ones are not known yet. Leave '
                'accumulative_counts out and set train_cfg.effective_batch'
            )

    def _count_backward_passes(self) -> None:
        """The batches of a step are parts of one loss, which :meth:`_update` adds up."""

    def run_iter(self, data_batch: Any) -> None:
        """One rollout and ``num_iterations`` updates on it."""
        batches = list(self.batches_of_step(data_batch))
        images = [images for batch in batches for images in batch['inputs']]
        samples = [sample for batch in batches for sample in batch['data_samples']]
        data_batch = {**data_batch, 'inputs': images, 'data_samples': samples}
        self.runner.call_hook('before_train_iter', batch_idx=self._iter, data_batch=data_batch)
        clock = [time.perf_counter()]
        step = [self.detector.data_preprocessor(batch, training=True) for batch in batches]
        prompts: list[EpisodeBatch] = [data['inputs'] for data in step]
        generated = self._roll_out(prompts, [batch['inputs'] for batch in batches])
        clock.append(time.perf_counter())
        scored = self._reward(
            prompts, generated, [sample for data in step for sample in data['data_samples']]
        )
        clock.append(time.perf_counter())
        rollout = self._rollout(step, generated, scored)
        updates = [self._update(step, rollout) for _ in range(self.num_iterations)]
        clock.append(time.perf_counter())
        read = sum(len(ids) for batch in prompts for ids in batch.prompt_ids)
        metrics = {
            **{name: sum(each[name] for each in updates) / len(updates) for name in updates[0]},
            **scored.metrics(generated),
            **seconds_of_phases(clock, read + rollout.tokens),
        }
        self.last_rollout = scored
        self.runner.call_hook(
            'after_train_iter', batch_idx=self._iter, data_batch=data_batch, outputs=mean_over_ranks(metrics)
        )
        self._iter += 1

    def _seeds(self, episodes: range) -> list[int]:
        """One seed per answer from (seed, step, episode, sample).

        Episodes are counted over all ranks, so answers do not depend on how
        many processes share them.

        Args:
            episodes: Which of this rank's of the step.
        """
        size = self.num_generations
        base = (int(self.runner.seed or 0) * 1_000_003 + self._iter) * 1_000_003
        # The samplers deal episodes out to the ranks in turns.
        places = [index * get_world_size() + get_rank() for index in episodes]
        return [(base + place * size + sample) % 2**63 for place in places for sample in range(size)]

    def _roll_out(self, prompts: Sequence[EpisodeBatch], images: Sequence[list[list[Tensor]]]) -> Generated:
        """Answers to the prompts of a step, batch by batch."""
        detector, answered = self.detector, 0
        written: list[Generated] = []
        # Evaluation mode: gradient checkpointing would switch the cache off.
        detector.eval()
        for batch, shown in zip(prompts, images, strict=True):
            request = RolloutRequest(
                batch,
                shown,
                self.num_generations,
                self.objective.max_completion_length,
                self.sampling,
                self._seeds(range(answered, answered + len(batch))),
            )
            answered += len(batch)
            with torch.no_grad(), self.runner.optim_wrapper.optim_context(detector):
                written.append(self.engine.sample(detector, request))
        detector.train()
        return Generated(
            ids=[ids for each in written for ids in each.ids],
            logps=[logps for each in written for logps in each.logps],
            cut=torch.cat([each.cut for each in written]),
        )

    def _reward(
        self, prompts: Sequence[EpisodeBatch], generated: Generated, samples: Sequence[Any]
    ) -> ScoredAnswers:
        """Judge the answers to all prompts of a step together."""
        targets = []
        for batch in prompts:
            require_ground_truth(batch, samples)
            assert batch.targets is not None
            targets.append(batch.targets)
        cells = torch.cat([batch.cells for batch in prompts])
        size, encoder = self.num_generations, self.detector.data_preprocessor.encoder
        answers = Answers.read(
            [encoder.decode(ids) for ids in generated.ids],
            torch.cat(targets).repeat_interleave(size, 0),
            [sample.img_id for sample in samples for _ in range(size)],
            encoder.read,
            cells.repeat_interleave(size, 0),
        )
        total, each = give_rewards(self.rewards, answers)
        advantages = group_advantages(total, size, self.scale_rewards, torch.cat(all_gather(total)))
        return ScoredAnswers(answers, total, each, advantages, cells)

    def _rollout(
        self, step: Sequence[dict[str, Any]], generated: Generated, scored: ScoredAnswers
    ) -> Rollout:
        """The answers to all prompts of a step, ready to learn from."""
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
            rollout = replace(rollout, old_logps=self._log_probabilities(step, rollout))
        return rollout

    @torch.no_grad()
    def _log_probabilities(self, step: Sequence[dict[str, Any]], rollout: Rollout) -> Tensor:
        """(B * G, L) under the policy that sampled."""
        rows = []
        for part in self._parts(step, rollout):
            batch = part['inputs']
            shared = share_prefix(batch.prompt_ids, part['rollout'].answers, self.detector.pad_id)
            with self.runner.optim_wrapper.optim_context(self.detector):
                logps, _ = self.detector.bbox_head.answer_logps(batch, shared, self.objective.temperature)
            rows += list(logps)
        return pad_sequence(rows, batch_first=True)

    def _parts(self, step: Sequence[dict[str, Any]], rollout: Rollout) -> list[dict[str, Any]]:
        """What the model takes to learn from a part of the step, as many parts on every rank."""
        parts, first = [], 0
        for data, ranges in zip(step, self._ranges([data['inputs'] for data in step], rollout), strict=True):
            batch: EpisodeBatch = data['inputs']
            for start, stop in ranges:
                part = {
                    'inputs': batch.select(start, stop) if len(ranges) > 1 else batch,
                    'data_samples': data['data_samples'][start:stop],
                    'rollout': rollout.select(first + start, first + stop),
                }
                parts.append(part)
            first += len(batch)
        return parts

    def _ranges(self, prompts: Sequence[EpisodeBatch], rollout: Rollout) -> list[list[tuple[int, int]]]:
        """Groups of each batch to learn from at a time."""
        limit = self.max_tokens_per_pass
        if limit is None:
            return [[(0, len(batch))] for batch in prompts]
        lengths = iter([sum(len(answer) for answer in group) for group in rollout.answers])
        ranges = [
            split_by_tokens(
                [len(prompt) for prompt in batch.prompt_ids], list(islice(lengths, len(batch))), limit
            )
            for batch in prompts
        ]
        needed = torch.tensor([len(each) for each in ranges], device=rollout.advantages.device)
        all_reduce(needed, op='max')
        return [split_further(each, count) for each, count in zip(ranges, needed.tolist(), strict=True)]

    def _update(self, step: Sequence[dict[str, Any]], rollout: Rollout) -> dict[str, Tensor]:
        """One optimizer update; sums losses, averages the rest over tokens."""
        *others, last = self._parts(step, rollout)
        wrapper, model = self.runner.optim_wrapper, self.runner.model
        learned = [(self._accumulate(part), part['rollout'].tokens) for part in others]
        learned.append((model.train_step(last, optim_wrapper=wrapper), last['rollout'].tokens))
        totals: dict[str, Tensor] = {}
        for outputs, tokens in learned:
            for name, value in outputs.items():
                share = 1.0 if 'loss' in name else tokens / rollout.tokens
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
