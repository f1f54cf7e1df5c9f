"""Answers from a shared prefill: greedy for tests, sampled for GRPO.

Each prompt is prefilled once and its cache is expanded to the G answers.
Sampling inverts the cumulative distribution at uniforms drawn beforehand from
one generator per answer, so an answer depends on its own seed and not on what
else is in the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.dist import all_reduce
from torch import Tensor
from transformers import DynamicCache, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from focus_mmdet.errors import InputError
from focus_mmdet.models.episode_batch import EpisodeBatch, pad
from focus_mmdet.models.vlm.attention_probe import AttentionProbe, ReceivedProbe
from focus_mmdet.models.vlm.sharding import is_sharded
from focus_mmdet.models.vlm.vlm import VisionLanguageModel


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn; names and defaults are ``trl.GRPOConfig``'s.

    Attributes:
        temperature: Divides the logits.
        top_p: Draw from the fewest tokens that hold this probability.
        top_k: Draw from this many most probable tokens; 0 for all.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0

    def __call__(self, logits: Tensor) -> Tensor:
        """(N, V) logits of the distribution that is drawn from."""
        warpers: list[Any] = [TemperatureLogitsWarper(float(self.temperature))]
        if self.top_k > 0:
            warpers.append(TopKLogitsWarper(self.top_k))
        if self.top_p < 1:
            warpers.append(TopPLogitsWarper(self.top_p))
        for warper in warpers:
            logits = warper(None, logits)
        return logits


@dataclass
class Generated:
    """B * G answers, those of one prompt side by side.

    Attributes:
        ids: B * G tensors (L_i,), the stop token included unless cut.
        logps: B * G tensors (L_i,), log-probability of each token under the
            distribution it was taken from.
        cut: (B * G,) bool, True where the length limit ended the answer.
        attention: With ``record_attention``, B tensors (P_i,): how much
            attention each prompt token gets from the query image.
    """

    ids: list[Tensor]
    logps: list[Tensor]
    cut: Tensor
    attention: list[Tensor] | None = None


def sampling_noise(seeds: Sequence[int], length: int) -> Tensor:
    """(len(seeds), length) uniforms in [0, 1), row i from ``seeds[i]`` alone."""
    return torch.stack([torch.rand(length, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def _pick(logits: Tensor, sampling: Sampling, noise: Tensor | None) -> tuple[Tensor, Tensor]:
    """Next ids (N,) and their log-probabilities (N,)."""
    if noise is None:
        logps = logits.log_softmax(-1)
        chosen = logps.argmax(-1)
    else:
        logps = sampling(logits).log_softmax(-1)
        cumulative = logps.exp().cumsum(-1)
        # Scaled by the true total, so rounding can't step past the last id.
        target = noise[:, None] * cumulative[:, -1:]
        chosen = torch.searchsorted(cumulative, target, right=True).clamp(max=logits.shape[-1] - 1)[:, 0]
        # A GPU's running sum need not rise, which can give width to an id that is never to be written.
        impossible = logps.gather(-1, chosen[:, None])[:, 0] == float('-inf')
        chosen = torch.where(impossible, logps.argmax(-1), chosen)
    return chosen, logps.gather(-1, chosen[:, None])[:, 0]


def _any_alive(alive: Tensor, together: bool) -> bool:
    """Is an answer unfinished, here or ``together`` with others, whose passes need this process's shards?"""
    unfinished = alive.any().float()
    if together:
        all_reduce(unfinished, op='max')
    return bool(unfinished)


def _counted(batch: EpisodeBatch) -> list[Tensor]:
    """Per episode, which of its query rows are visual tokens."""
    ranges = zip(batch.marks['query_image'], batch.query_rows, strict=True)
    return [marks[start:stop] for marks, (start, stop) in ranges]


@torch.no_grad()
def generate(
    vlm: VisionLanguageModel,
    batch: EpisodeBatch,
    *,
    stop_id: int,
    pad_id: int,
    forbidden_ids: Sequence[int],
    max_new_tokens: int,
    num_generations: int = 1,
    sampling: Sampling | None = None,
    noise: Tensor | None = None,
    record_attention: bool = False,
) -> Generated:
    """Write G answers to each of B prompts.

    Args:
        vlm: In eval mode (gradient checkpointing would switch the cache off).
        batch: B prompts.
        stop_id: Ends an answer.
        pad_id: Fills shorter prompts on the left.
        forbidden_ids: Never written.
        max_new_tokens: Length limit, the stop token included.
        num_generations: G.
        sampling: Distribution to draw from; default: the model's own.
        noise: (B * G, max_new_tokens) uniforms; None decodes greedily.
        record_attention: Also measure what the query image attends to.

    Raises:
        InputError: The longest prompt and answer exceed the model's window.
    """
    longest = max(len(prompt) for prompt in batch.prompt_ids)
    if longest + max_new_tokens > vlm.window:
        raise InputError(
            f"a prompt of {longest} tokens and an answer of {max_new_tokens} exceed the model's window of "
            f'{vlm.window}. Lower the pixel budget (max_pixels), the shots, or the longest answer'
        )
    sampling = sampling or Sampling()
    input_ids, mask = pad(batch.prompt_ids, pad_id, 'left')
    first = (mask.shape[1] - mask.sum(1)).tolist()
    probe: AttentionProbe | None = None
    if record_attention:
        rows = [
            (start + skip, stop + skip) for (start, stop), skip in zip(batch.query_rows, first, strict=True)
        ]
        probe = ReceivedProbe(first, rows=rows, counted=_counted(batch))
    positions, following = vlm.prompt_positions(input_ids, mask, batch.vision)
    features = vlm.image_features(batch)
    cache = DynamicCache(config=vlm.model.config.get_text_config())
    logits = vlm(input_ids, mask, positions, features, probe=probe, cache=cache)

    if num_generations > 1:
        cache.batch_repeat_interleave(num_generations)
        logits, mask, following = (
            tensor.repeat_interleave(num_generations, 0) for tensor in (logits, mask, following)
        )
    forbidden = torch.tensor(forbidden_ids, device=logits.device, dtype=torch.long)
    if noise is not None:
        noise = noise.to(logits.device)
    ids, logps = [], []
    alive = torch.ones(len(logits), dtype=torch.bool, device=logits.device)
    lengths = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    together = is_sharded(vlm)
    for step in range(max_new_tokens):
        logits[:, forbidden] = float('-inf')
        chosen, logp = _pick(logits, sampling, None if noise is None else noise[:, step])
        ids.append(chosen)
        logps.append(logp)
        lengths += alive
        alive = alive & (chosen != stop_id)
        if step + 1 == max_new_tokens or not _any_alive(alive, together):
            break
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        position = vlm.family.text_positions((following + step)[:, None])
        logits = vlm(chosen[:, None], mask, position, cache=cache)

    table, scores = torch.stack(ids, 1), torch.stack(logps, 1)
    counts = lengths.tolist()
    attention = None
    if probe is not None:
        attention = [row[skip:] for row, skip in zip(probe.mean_over_layers(), first, strict=True)]
    return Generated(
        ids=[row[:count] for row, count in zip(table, counts, strict=True)],
        logps=[row[:count] for row, count in zip(scores, counts, strict=True)],
        cut=alive,
        attention=attention,
    )
