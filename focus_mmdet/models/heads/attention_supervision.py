"""Stage 1's attention loss, as settings the head can be armed with."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from mmengine.logging import print_log
from torch import Tensor
from torch.nn.functional import pad

from focus_mmdet.core.attention import MARGIN_FORMS, margin_loss, reachable_margin
from focus_mmdet.errors import InputError, check_choice, check_number
from focus_mmdet.models.data_preprocessors.prompt_encoder import MARKS
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.vlm.attention_probe import MassProbe

ROWS = ('query_image', 'query_region', 'query_outside', 'answer', 'answer_opening', 'coordinate', 'box_end')
#: ``query_edge`` is each coordinate's own.
COLUMNS = (*MARKS, 'query_edge')

#: (P,) bool, which tokens of the query image each of these is.
_QUERY_ROWS: dict[str, Callable[[EpisodeBatch, int], Tensor]] = {
    'query_image': lambda batch, index: batch.marks['query_image'][index],
    'query_region': lambda batch, index: batch.marks['query_region'][index],
    'query_outside': lambda batch, index: (
        batch.marks['query_image'][index] & ~batch.marks['query_region'][index]
    ),
}

#: Rows [start, stop) of a sequence and the (P,) bool marks that they shall attend to.
Span = tuple[tuple[int, int], Tensor]

Layers = str | Sequence[int]
Heads = str | Sequence[int]


@dataclass(frozen=True)
class AttentionSupervision:
    """In-context attention loss; the defaults are the paper's.

    Attributes:
        margin: mu, in the unit that ``form`` says.
        weight: beta, the factor of the loss in the total.
        layers: ``'all'``, ``'first:5'``, ``'last:5'`` or a list of indices.
        heads: ``'all'`` or a list of query-head indices to average over.
        form: See :func:`focus_mmdet.core.attention.margin_loss`.
        rows: Whose attention: ``'query_image'`` tokens; of them those of the
            ``'query_region'``, or all others, ``'query_outside'``; ``'answer'`` tokens;
            ``'coordinate'``, the tokens that
            write the next one of a coordinate (columns ``'query_edge'`` only);
            ``'answer_opening'``, what stands before the first coordinate, where
            the object is chosen; ``'box_end'``, the last digit of each
            support's box and what follows it (to its own box only where the
            columns are ``'box_region'``).
        columns: Attention to what; see ``prompt_encoder.EncodedPrompt``.
            ``'query_edge'`` is of each coordinate the edge that it names.
        name: Ends the names in the log, where there are several.
    """

    margin: float = 0.025
    weight: float = 0.25
    layers: Layers = 'all'
    heads: Heads = 'all'
    form: str = 'per_token'
    rows: str = 'query_image'
    columns: str = 'box_text'
    name: str = ''

    def __post_init__(self) -> None:
        hook = 'AttentionSupervisionHook'
        check_number(f'{hook}.margin', self.margin, low=0)
        check_number(f'{hook}.weight', self.weight, low=0)
        check_choice(f'{hook}.form', self.form, MARGIN_FORMS)
        if self.form in ('log', 'away') and not 0 < self.margin <= 1:
            raise InputError(
                f'{hook}.margin={self.margin}: form={self.form!r} takes a logarithm of it; give 0..1, not 0'
            )
        check_choice(f'{hook}.rows', self.rows, ROWS)
        check_choice(f'{hook}.columns', self.columns, COLUMNS)
        if (self.rows == 'coordinate') != (self.columns == 'query_edge'):
            raise InputError(
                f'{hook}.rows={self.rows!r}, columns={self.columns!r}: '
                "rows='coordinate' and columns='query_edge' go together"
            )
        if self.rows == 'box_end' and self.columns.startswith('query_'):
            raise InputError(
                f"{hook}.rows='box_end', columns={self.columns!r}: boxes of supports cannot attend to the "
                'query, which comes after them'
            )


def supervised_spans(settings: AttentionSupervision, batch: EpisodeBatch) -> list[list[Span]]:
    """What each sequence of a batch is supervised on; nothing where none of its
    tokens is marked, as without supports, or for ``query_region`` without an
    object in the query.

    Raises:
        InputError: Supports of which no token is marked.
    """
    spans = []
    for index in range(len(batch)):
        if settings.rows == 'coordinate':
            spans.append(_coordinates(batch, index))
            continue
        marked = batch.marks[settings.columns][index]
        found: list[Span]
        if settings.rows == 'box_end' and settings.columns == 'box_region':
            found = list(zip(batch.box_ends[index], batch.regions[index], strict=True))
        else:
            found = [(rows, marked) for rows in _rows(settings.rows, batch, index)]
        if settings.columns != 'query_region' and batch.frames[index] > 1 and not marked.any():
            raise InputError(
                f'AttentionSupervisionHook.columns={settings.columns!r} marks no token of an episode: '
                'the tokenizer joins digits to other text. Choose other columns'
            )
        spans.append([(rows, columns) for rows, columns in found if columns.any()])
    return spans


def _coordinates(batch: EpisodeBatch, index: int) -> list[Span]:
    """Where each coordinate is predicted, and the edge of the box that it names."""
    assert batch.coordinates is not None
    prompt = len(batch.prompt_ids[index])
    return [
        ((prompt + start - 1, prompt + stop - 1), edge)
        for (start, stop), edge in zip(batch.coordinates[index], batch.edges[index], strict=True)
        if edge.any()
    ]


def _rows(kind: str, batch: EpisodeBatch, index: int) -> list[tuple[int, int]]:
    if kind in _QUERY_ROWS:
        return [batch.query_rows[index]]
    if kind == 'box_end':
        return batch.box_ends[index]
    assert batch.answer_ids is not None
    assert batch.openings is not None
    prompt, answer = len(batch.prompt_ids[index]), len(batch.answer_ids[index])
    # What is said in the opening is decided from the prompt's last token on.
    return [(prompt, prompt + answer) if kind == 'answer' else (prompt - 1, prompt + batch.openings[index])]


def build_probe(
    settings: AttentionSupervision, batch: EpisodeBatch, length: int, depth: int, heads: int
) -> MassProbe:
    """A probe of what is supervised.

    Args:
        settings: What to supervise.
        batch: B prompts with answers.
        length: Tokens of the padded sequences.
        depth: Layers of the language model.
        heads: Query heads of each.
    """
    return MassProbe(
        first=[0] * len(batch),
        layers=select_layers(settings.layers, depth),
        spans=[
            [(rows, pad(marked, (0, length - len(marked)))[:, None]) for rows, marked in spans]
            for spans in supervised_spans(settings, batch)
        ],
        heads=select_heads(settings.heads, heads),
    )


def attention_loss(
    settings: AttentionSupervision, probe: MassProbe, batch: EpisodeBatch, lengths: Sequence[int]
) -> tuple[Tensor, Tensor, int]:
    """The weighted loss, mean over sequences that are supervised.

    Args:
        settings: What was supervised.
        probe: Of a forward pass.
        batch: What was supervised.
        lengths: Tokens of each sequence without padding.

    Returns:
        The loss, the mean attention mass, and the most tokens that were marked.
    """
    masses = [mass[:, 0] for mass in probe.mean_over_layers()]
    losses, most = [], 0
    for index, (mass, spans, total) in enumerate(zip(masses, probe.spans, lengths, strict=True)):
        if not spans:
            continue
        parts = mass.split([stop - start for (start, stop), _ in spans])
        if settings.rows in _QUERY_ROWS:  # without what stands between its visual tokens
            (rows, _), marks = spans[0], _QUERY_ROWS[settings.rows](batch, index)
            if not marks.any():
                continue
            masses[index] = parts[0][marks[slice(*rows)]]
            parts = (masses[index],)
        counts = [int(columns.sum()) for _, columns in spans]
        most = max(most, *counts)
        each = [
            margin_loss(part, count, total, settings.margin, settings.form)
            for part, count in zip(parts, counts, strict=True)
        ]
        losses.append(torch.stack(each).mean())
    loss = torch.stack(losses).mean() if losses else masses[0].sum()
    return settings.weight * loss, torch.cat(masses).detach().mean() if losses else loss.detach(), most


def select_layers(layers: Layers, count: int) -> frozenset[int]:
    """Indices of the supervised layers in a model of ``count`` layers.

    Raises:
        InputError: Not a form above, or a layer that does not exist.
    """
    wrong = InputError(
        f"AttentionSupervisionHook.layers={layers!r}: give 'all', 'first:K' or 'last:K' with K in "
        f'1..{count}, or a list of indices in 0..{count - 1}'
    )
    if layers == 'all':
        return frozenset(range(count))
    if isinstance(layers, str):
        kind, _, number = layers.partition(':')
        if kind not in ('first', 'last') or not number.isdigit() or not 1 <= int(number) <= count:
            raise wrong
        size = int(number)
        return frozenset(range(size) if kind == 'first' else range(count - size, count))
    chosen = frozenset(int(layer) for layer in layers)
    if not chosen or min(chosen) < 0 or max(chosen) >= count:
        raise wrong
    return chosen


def select_heads(heads: Heads, count: int) -> list[int] | None:
    """Sorted head indices, or None for all of ``count``.

    Raises:
        InputError: A head that does not exist.
    """
    if heads == 'all':
        return None
    chosen = [] if isinstance(heads, str) else sorted({int(head) for head in heads})
    if not chosen or chosen[0] < 0 or chosen[-1] >= count:
        raise InputError(
            f"AttentionSupervisionHook.heads={heads!r}: give 'all' or a list of indices in 0..{count - 1}"
        )
    return chosen


def warn_out_of_reach(marked: int, settings: AttentionSupervision) -> bool:
    """Say where no attention on so many marked tokens can meet the margin; was it said?"""
    bound = reachable_margin(marked, settings.form)
    if settings.margin <= bound:
        return False
    advice = 'it can be met up to 1'
    if settings.form == 'per_token':
        advice = "form='relative' or form='mass' have margins that can be met"
    print_log(
        f'AttentionSupervisionHook.margin={settings.margin} cannot be met: with {marked} marked tokens '
        f'it can be {bound:.4f} at most, so the loss never closes. It still trains; {advice}',
        'current',
        logging.WARNING,
    )
    return True
