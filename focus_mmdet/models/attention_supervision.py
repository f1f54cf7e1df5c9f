"""Stage 1's attention loss, as settings the head can be armed with."""

from collections.abc import Sequence
from dataclasses import dataclass

from focus_mmdet.errors import InputError

Layers = str | Sequence[int]


@dataclass(frozen=True)
class AttentionSupervision:
    """In-context attention loss, equations 5 to 10 of the paper.

    Attributes:
        margin: mu.
        weight: beta, the factor of the loss in the total.
        layers: ``'all'``, ``'first:5'``, ``'last:5'`` or a list of indices.
    """

    margin: float = 0.025
    weight: float = 0.25
    layers: Layers = 'all'


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
