"""The detection head that speaks: a VLM answers with a box."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from mmdet.registry import MODELS
from torch import Tensor
from torch.nn.functional import cross_entropy

from focus_mmdet.core.grpo import aggregate, policy_terms
from focus_mmdet.core.prefix import SharedPrefix, share_prefix
from focus_mmdet.core.vocabulary import token_logps
from focus_mmdet.errors import InputError, check_choice, check_number
from focus_mmdet.models.episode_batch import EpisodeBatch, answer_targets, pad
from focus_mmdet.models.heads.answering_head import AnsweringHead
from focus_mmdet.models.heads.attention_supervision import (
    AttentionSupervision,
    attention_loss,
    build_probe,
    warn_out_of_reach,
)
from focus_mmdet.models.heads.rollout import Rollout
from focus_mmdet.models.vlm.attention_probe import MassProbe, ProbeGroup
from focus_mmdet.models.vlm.lora import add_lora, check_drawn, untold
from focus_mmdet.models.vlm.vlm import VisionLanguageModel


@MODELS.register_module()
class VLMHead(AnsweringHead):
    """Wraps a Hugging Face VLM; computes both stages' losses and predictions.

    Args:
        pretrained: VLM folder; :class:`FocusDetector` fills it in.
        dtype: Of the base weights.
        lora: Options of ``peft.LoraConfig``; None trains the weights
            themselves.
        freeze_vision: Keep the vision part as it is; ``'tower'`` lets the
            projector behind the tower train.
        gradient_checkpointing: Trade time for memory in backward.
        attn_implementation: ``'sdpa'`` or ``'flash_attention_2'`` (stage 1
            only: the shared prefix of stage 2 needs a mask).
        load_weights: False draws random weights: for benchmarks and dry runs.
        max_new_tokens: Longest answer in tokens when predicting.
        temperature: Predicted answers are drawn at this one, from torch's random
            state, and scored by the probabilities they were drawn from; 0
            takes the most probable token each time.
        score_calibration: Scale and offset of the scores' logits, as
            ``ScoreCalibration`` fits them; (1, 0) leaves scores as they are.
        score_likeness: What is added to that logit for how much the query looks like the object, by the
            features of the vision part; ``ScoreCalibration`` fits it. None does not look.
        voting: Options of :class:`Voting`, by which several answers give a box; None takes the first.
        grammar: Predicted answers keep to the form of one that can be read, and take fewer
            steps; see :class:`focus_mmdet.models.vlm.grammar.AnswerGrammar`. Off, a test
            shows what a model has learned; ``InContextInferencer`` turns it on.
        quantization: Options of ``transformers.BitsAndBytesConfig`` for the
            frozen weights under ``lora`` (QLoRA); None keeps them as they are.
        cudnn_attention: Let torch choose cuDNN's attention kernels on a GPU, as
            it would by itself from Hopper on. They have given NaN gradients
            under masks and wrong answers with few key-value heads, and plan
            anew for each length. torch has one switch for the whole process,
            set where a head is built: the last one decides for all.
        feature_cache: GiB of memory for what a frozen tower has made of images, kept for when
            they come again: where it costs more than the rest, as on a CPU. FastVLM's only.
    """

    def __init__(
        self,
        pretrained: str,
        dtype: str = 'float32',
        lora: dict[str, Any] | None = None,
        freeze_vision: bool | str = True,
        gradient_checkpointing: bool = False,
        attn_implementation: str = 'sdpa',
        load_weights: bool = True,
        max_new_tokens: int = 50,
        temperature: float = 0.0,
        score_calibration: tuple[float, float] = (1.0, 0.0),
        score_likeness: float | None = None,
        voting: dict[str, Any] | None = None,
        grammar: bool = False,
        quantization: dict[str, Any] | None = None,
        cudnn_attention: bool = False,
        feature_cache: float = 0.0,
    ) -> None:
        super().__init__(max_new_tokens, temperature, score_calibration, score_likeness, voting, grammar)
        torch.backends.cuda.enable_cudnn_sdp(cudnn_attention)
        check_choice('model.bbox_head.freeze_vision', freeze_vision, (True, False, 'tower'))
        if quantization is not None and (lora is None or freeze_vision is not True):
            raise InputError(
                'model.bbox_head.quantization: quantized weights cannot train; set model.bbox_head.lora '
                'and freeze_vision=True'
            )
        check_number('model.bbox_head.feature_cache', feature_cache, low=0)
        self.vlm = VisionLanguageModel(
            pretrained,
            dtype,
            gradient_checkpointing,
            attn_implementation,
            load_weights,
            quantization,
            feature_cache,
        )
        if lora is not None:
            if self.vlm.waiting:
                check_drawn(lora)
            add_lora(self.vlm.model, self.vlm.family, lora)
            if freeze_vision and any(weight.requires_grad for weight in self.vlm.vision_parameters):
                raise InputError(
                    'model.bbox_head.lora.target_modules names layers of the vision tower, which '
                    'freeze_vision=True keeps as it is. Leave it out, or set freeze_vision=False'
                )
        self.lora = lora
        #: Of the adapters, checked when weights are loaded.
        self.untold = {} if lora is None else untold(lora)
        self.vlm.family.freeze_vision(self.vlm.model, freeze_vision)
        half = {str(weight.dtype) for weight in self.parameters() if weight.requires_grad} - {'torch.float32'}
        if half:
            raise InputError(
                f'model.bbox_head.dtype={dtype!r}: weights that train themselves lose small updates in half '
                "precision. Set dtype='float32' (and --amp), or lora with freeze_vision=True"
            )
        self.attn_implementation = attn_implementation
        #: Armed by AttentionSupervisionHook; empty is plain fine-tuning.
        self.attention_supervision: tuple[AttentionSupervision, ...] = ()
        self._warned = False
        #: Weights of the stage-1 policy, set by GRPOTrainLoop.
        self.reference: dict[str, Tensor] | None = None

    def snapshot(self) -> dict[str, Tensor]:
        """A frozen copy of every trainable weight, by its name in the VLM."""
        return {
            name: parameter.detach().clone()
            for name, parameter in self.vlm.named_parameters()
            if parameter.requires_grad
        }

    def loss(self, batch: EpisodeBatch, pad_id: int) -> dict[str, Tensor]:
        """Stage 1: language-model loss and, where armed, the attention loss.

        The first is a mean over the answer tokens of this batch: accumulated
        batches weigh alike, whatever their numbers of tokens.
        """
        assert batch.answer_ids is not None
        sequences = [torch.cat(pair) for pair in zip(batch.prompt_ids, batch.answer_ids, strict=True)]
        input_ids, mask = pad(sequences, pad_id, 'right')
        positions, _ = self.vlm.prompt_positions(input_ids, mask, batch.vision)
        select, labels = answer_targets(batch.prompt_ids, batch.answer_ids)
        probes = [
            build_probe(settings, batch, input_ids.shape[1], self.vlm.layers, self.vlm.heads)
            for settings in self.attention_supervision
        ]
        features = self.vlm.image_features(batch)
        watch = ProbeGroup(probes) if probes else None
        read = partial(cross_entropy, reduction='sum')
        sums = self.vlm(
            input_ids, mask, positions, features, select=select, probe=watch, labels=labels, read=read
        )
        loss = torch.stack(sums).sum() / len(labels)
        lengths = [len(ids) for ids in sequences]
        return {'loss_lm': loss, **self._attention_losses(probes, batch, lengths)}

    def _attention_losses(
        self, probes: Sequence[MassProbe], batch: EpisodeBatch, lengths: Sequence[int]
    ) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        for settings, probe in zip(self.attention_supervision, probes, strict=True):
            loss, mass, marked = attention_loss(settings, probe, batch, lengths)
            if marked and not self._warned:
                self._warned = warn_out_of_reach(marked, settings)
            end = f'_{settings.name}' if settings.name else ''
            losses |= {f'loss_attention{end}': loss, f'attention_mass{end}': mass}
        return losses

    def first_logits(self, batch: EpisodeBatch, pad_id: int) -> Tensor:
        """(B, V) logits of the token after each prompt."""
        input_ids, mask = pad(batch.prompt_ids, pad_id, 'left')
        positions, _ = self.vlm.prompt_positions(input_ids, mask, batch.vision)
        return self.vlm(input_ids, mask, positions, self.vlm.image_features(batch))

    def answer_logps(
        self, batch: EpisodeBatch, shared: SharedPrefix, temperature: float, weights: dict | None = None
    ) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of every answer token, both (B * G, L).

        Args:
            batch: The prompts.
            shared: Prompts and answers laid out as one sequence per group.
            temperature: Divides the logits.
            weights: Weights to use in place of the current ones; only before a pass that is learned from.
        """
        prompts, mask = pad(batch.prompt_ids, 0, 'right')
        prefix, following = self.vlm.prompt_positions(prompts, mask, batch.vision)
        behind = self.vlm.family.text_positions(following[:, None] + shared.depth)
        inputs = dict(
            input_ids=shared.input_ids,
            attention_mask=shared.mask,
            position_ids=torch.cat([prefix, behind], -1),
            features=self.vlm.image_features(batch),
            select=(shared.source[0].flatten(), shared.source[1].flatten()),
            labels=shared.target_ids.flatten(),
            read=partial(token_logps, temperature=temperature),
        )
        with self.vlm.other_weights(weights or {}):
            parts = self.vlm(**inputs)
        logps, entropy = (torch.cat(part).view_as(shared.target_ids) for part in zip(*parts, strict=True))
        return logps, entropy

    def policy_loss(self, batch: EpisodeBatch, rollout: Rollout, pad_id: int) -> dict[str, Tensor]:
        """Stage 2: clipped policy gradient and KL to the stage-1 policy.

        Returns ``loss_policy`` and ``loss_kl`` (already times beta), and the
        metrics ``kl``, ``entropy`` and ``clip_ratio/*`` over answer tokens.

        Raises:
            RuntimeError: ``beta`` is not 0 and there is no reference.
        """
        objective = rollout.objective
        shared = share_prefix(batch.prompt_ids, rollout.answers, pad_id)
        reference = None
        if objective.beta != 0:
            if self.reference is None:
                raise RuntimeError('beta is not 0, but no reference policy was set')
            with torch.no_grad():
                reference, _ = self.answer_logps(batch, shared, objective.temperature, self.reference)
        logps, entropy = self.answer_logps(batch, shared, objective.temperature)
        old = logps.detach() if rollout.old_logps is None else rollout.old_logps
        mask = shared.target_mask
        terms = policy_terms(
            logps,
            old,
            rollout.advantages,
            mask,
            reference,
            objective.epsilon,
            objective.importance_sampling_level,
            objective.epsilon_high,
            objective.use_bias_correction_kl,
        )

        def reduce(values: Tensor) -> Tensor:
            return aggregate(
                values,
                mask,
                objective.loss_type,
                objective.max_completion_length,
                rollout.global_tokens,
                rollout.total_answers,
                rollout.total_tokens,
            )

        def mean(values: Tensor) -> Tensor:
            return values.detach().float().expand_as(mask)[mask].mean()

        losses = {'loss_policy': reduce(terms.surrogate), 'entropy': mean(entropy)}
        if reference is not None:
            losses['loss_kl'] = objective.beta * reduce(terms.kl)
            losses['kl'] = mean(terms.kl)
        losses['clip_ratio/low_mean'] = mean(terms.clipped_low)
        losses['clip_ratio/high_mean'] = mean(terms.clipped_high)
        losses['clip_ratio/region_mean'] = mean(terms.clipped_low | terms.clipped_high)
        return losses
