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
from transformers import Cache, DynamicCache, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from focus_mmdet.errors import InputError
from focus_mmdet.models.episode_batch import EpisodeBatch, pad
from focus_mmdet.models.vlm.attention_probe import AttentionProbe, ReceivedProbe
from focus_mmdet.models.vlm.grammar import AnswerGrammar
from focus_mmdet.models.vlm.known_prefix import KnownPrefix
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


def _pick(
    logits: Tensor, sampling: Sampling, noise: Tensor | None, allowed: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Next ids (N,) and their log-probabilities (N,).

    ``noise`` is (N,), NaN or None for the most probable; ``allowed`` is (N, V) bool, None for all.
    """
    possible = logits if allowed is None else logits.masked_fill(~allowed, float('-inf'))
    probable = possible.argmax(-1)
    own = logits.log_softmax(-1).gather(-1, probable[:, None])[:, 0]
    if noise is None:
        return probable, own
    logps = sampling(possible).log_softmax(-1)
    cumulative = logps.exp().cumsum(-1)
    # Scaled by the true total, so rounding can't step past the last id.
    target = noise[:, None] * cumulative[:, -1:]
    chosen = torch.searchsorted(cumulative, target, right=True).clamp(max=logits.shape[-1] - 1)[:, 0]
    # A GPU's running sum need not rise, which can give width to an id that is never to be written.
    impossible = logps.gather(-1, chosen[:, None])[:, 0] == float('-inf')
    chosen = torch.where(impossible, logps.argmax(-1), chosen)
    drawn = logps.gather(-1, chosen[:, None])[:, 0]
    is_greedy = noise.isnan()
    return torch.where(is_greedy, probable, chosen), torch.where(is_greedy, own, drawn)


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


@dataclass
class _Prompts:
    """B prompts that a model has read.

    Attributes:
        logits: (B, A, V) of the A next tokens: one, or one more than the grammar's opening.
        mask: (B, T) of what is in the cache.
        following: (B,) the position of the next token.
        cache: Of the model.
        attention: As of :class:`Generated`.
    """

    logits: Tensor
    mask: Tensor
    following: Tensor
    cache: Cache
    attention: list[Tensor] | None


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
    grammar: AnswerGrammar | None = None,
    prefix: KnownPrefix | None = None,
) -> Generated:
    """Write G answers to each of B prompts.

    Args:
        vlm: In eval mode (gradient checkpointing would switch the cache off).
        batch: B prompts.
        stop_id: Ends an answer.
        pad_id: Fills shorter prompts on the left.
        forbidden_ids: Never written.
        max_new_tokens: Length limit, the stop token included. With a grammar it does not count: answers end.
        num_generations: G.
        sampling: Distribution to draw from; default: the model's own.
        noise: (B * G, max_new_tokens) uniforms; None, and rows of NaN, take the most probable tokens.
        record_attention: Also measure what the query image attends to; not with a prefix.
        grammar: Answers keep to it. Their opening is read with the prompt, and what must follow a token with
            that one; the log-probabilities of the latter, and of the ending, are given as 0. Those of the
            opening and of chosen tokens remain the model's own where decoding is greedy.
        prefix: What the model has read before all of these prompts.

    Raises:
        InputError: The longest prompt and answer exceed the model's window.
    """
    steps = max_new_tokens if grammar is None else grammar.steps
    opening = [] if grammar is None else grammar.opening
    known = 0 if prefix is None else prefix.length
    longest = known + max(len(prompt) for prompt in batch.prompt_ids)
    if longest + len(opening) + steps > vlm.window:
        raise InputError(
            f"a prompt of {longest} tokens and an answer of {len(opening) + steps} exceed the model's window "
            f'of {vlm.window}. Lower the pixel budget (max_pixels), the shots, or the longest answer'
        )
    read = _read_prompts(vlm, batch, pad_id, opening, record_attention, prefix)
    if num_generations > 1:
        read.cache.batch_repeat_interleave(num_generations)
        read.logits, read.mask, read.following = (
            tensor.repeat_interleave(num_generations, 0)
            for tensor in (read.logits, read.mask, read.following)
        )
    forbidden = torch.tensor(forbidden_ids, device=read.logits.device, dtype=torch.long)
    read.logits[..., forbidden] = float('-inf')
    answers = _write_answers(
        vlm, read, forbidden, stop_id, steps, sampling or Sampling(), noise, grammar, prefix
    )
    if grammar is not None:
        _add_what_is_certain(answers, read, grammar)
    answers.attention = read.attention
    return answers


def _read_prompts(
    vlm: VisionLanguageModel,
    batch: EpisodeBatch,
    pad_id: int,
    opening: Sequence[int],
    record_attention: bool,
    prefix: KnownPrefix | None,
) -> _Prompts:
    """The prompts, each with the opening of its answer."""
    input_ids, mask = pad(batch.prompt_ids, pad_id, 'left')
    first = (mask.shape[1] - mask.sum(1)).tolist()
    positions, following = vlm.prompt_positions(input_ids, mask, batch.vision)
    probe: AttentionProbe | None = None
    if record_attention:
        rows = [
            (start + skip, stop + skip) for (start, stop), skip in zip(batch.query_rows, first, strict=True)
        ]
        probe = ReceivedProbe(first, rows=rows, counted=_counted(batch))
    size, width = input_ids.shape
    if opening:
        said = input_ids.new_tensor([list(opening)]).expand(size, -1)
        behind = vlm.family.text_positions(following[:, None] + torch.arange(len(opening)).to(following))
        input_ids, positions = torch.cat([input_ids, said], 1), torch.cat([positions, behind], -1)
        mask, following = torch.cat([mask, torch.ones_like(said)], 1), following + len(opening)
    cache: Cache = DynamicCache(config=vlm.model.config.get_text_config())
    if prefix is not None:
        positions, following = positions + prefix.following, following + prefix.following
    ends = torch.arange(width - 1, input_ids.shape[1], device=input_ids.device)
    select = (torch.arange(size, device=ends.device).repeat_interleave(len(ends)), ends.repeat(size))
    features = vlm.image_features(batch)
    logits = vlm(input_ids, mask, positions, features, select=select, probe=probe, cache=cache, prefix=prefix)
    attention = None
    if probe is not None:
        attention = [row[skip:width] for row, skip in zip(probe.mean_over_layers(), first, strict=True)]
    return _Prompts(logits.view(size, len(ends), -1), mask, following, cache, attention)


def _write_answers(
    vlm: VisionLanguageModel,
    read: _Prompts,
    forbidden: Tensor,
    stop_id: int,
    steps: int,
    sampling: Sampling,
    noise: Tensor | None,
    grammar: AnswerGrammar | None,
    prefix: KnownPrefix | None,
) -> Generated:
    """What follows the prompts, or the opening of the answers, token by token."""
    logits, mask = read.logits[:, -1], read.mask
    count, device = len(logits), logits.device
    if noise is not None:
        noise = noise.to(device)
    ids, logps = [], []
    alive = torch.ones(count, dtype=torch.bool, device=device)
    lengths = torch.zeros(count, dtype=torch.long, device=device)
    state, following = torch.zeros_like(lengths), read.following
    together = is_sharded(vlm)
    for step in range(steps):
        allowed = None if grammar is None else grammar.allowed[state]
        chosen, logp = _pick(logits, sampling, None if noise is None else noise[:, step], allowed)
        ids.append(chosen)
        logps.append(logp)
        lengths += alive
        if grammar is None:
            tokens, place = chosen[:, None], torch.zeros_like(chosen[:, None])
            alive = alive & (chosen != stop_id)
        else:
            tokens, place, state = grammar.go_on(state, chosen)
            alive = alive & ~grammar.ended[state]
        if step + 1 == steps or not _any_alive(alive, together):
            break
        mask = torch.cat([mask, (place >= 0).to(mask.dtype)], 1)
        positions = vlm.family.text_positions(following[:, None] + place.clamp(min=0))
        following = following + place[:, -1] + 1
        logits = vlm(tokens, mask, positions, cache=read.cache, prefix=prefix)
        logits[:, forbidden] = float('-inf')
    table, scores, counts = torch.stack(ids, 1), torch.stack(logps, 1), lengths.tolist()
    return Generated(
        ids=[row[:count] for row, count in zip(table, counts, strict=True)],
        logps=[row[:count] for row, count in zip(scores, counts, strict=True)],
        cut=alive,
    )


def _add_what_is_certain(answers: Generated, read: _Prompts, grammar: AnswerGrammar) -> None:
    """Put what was not chosen into answers that keep to a grammar."""
    opening = torch.tensor(grammar.opening, device=read.logits.device, dtype=torch.long)
    before = read.logits[:, : len(opening)].log_softmax(-1)
    for index, (ids, logps) in enumerate(zip(answers.ids, answers.logps, strict=True)):
        whole, was_chosen = grammar.whole(ids.tolist())
        answers.ids[index] = ids.new_tensor(whole)
        certain = logps.new_zeros(len(whole))
        certain[: len(opening)] = before[index].gather(-1, opening[:, None])[:, 0]
        certain[torch.tensor(was_chosen, device=logps.device)] = logps
        answers.logps[index] = certain
