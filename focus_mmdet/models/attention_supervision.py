"""Stage 1's attention loss, as settings the head can be armed with."""

from collections.abc import Sequence
from dataclasses import dataclass

from focus_mmdet.core.attention import MARGIN_FORMS
from focus_mmdet.errors import InputError, check_choice, check_number
from focus_mmdet.models.prompt_encoder import MARKS

ROWS = ('query_image', 'answer')

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
        rows: Whose attention: ``'query_image'`` tokens or ``'answer'`` tokens.
        columns: Attention to what; see ``prompt_encoder.EncodedPrompt``.
    """

    margin: float = 0.025
    weight: float = 0.25
    layers: Layers = 'all'
    heads: Heads = 'all'
    form: str = 'per_token'
    rows: str = 'query_image'
    columns: str = 'box_text'

    def __post_init__(self) -> None:
        hook = 'AttentionSupervisionHook'
        check_number(f'{hook}.margin', self.margin, low=0)
        check_number(f'{hook}.weight', self.weight, low=0)
        check_choice(f'{hook}.form', self.form, MARGIN_FORMS)
        check_choice(f'{hook}.rows', self.rows, ROWS)
        check_choice(f'{hook}.columns', self.columns, MARKS)


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
