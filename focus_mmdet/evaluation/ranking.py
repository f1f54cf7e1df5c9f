"""How well scores sort pictures that show the object before those that lack it."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor


def auroc(scores: Tensor, present: Tensor) -> float:
    """Probability that a picture with the object has a higher score than one without.

    Equal scores count half.

    Args:
        scores: (N,).
        present: (N,) bool, both kinds among them.
    """
    _, rank, counts = scores.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    middle = (last - (counts - 1) / 2)[rank]
    shown, lacking = int(present.sum()), int((~present).sum())
    return float((middle[present].sum() - shown * (shown + 1) / 2) / (shown * lacking))


def average_precision(scores: Tensor, present: Tensor) -> float:
    """Mean over the pictures with the object of the precision down to their score.

    Equal scores are taken together, so that their order does not matter.

    Args:
        scores: (N,).
        present: (N,) bool, at least one.
    """
    total, shown = _down_to(scores, present)
    gained = torch.diff(shown, prepend=shown.new_zeros(1))
    return float((gained * shown / total).sum() / shown[-1])


def precision_at(count: int, scores: Tensor, present: Tensor) -> float:
    """Share of the ``count`` best-scored pictures that show the object.

    Of equal scores at the end, the mean over all their orders.

    Args:
        count: 1..N.
        scores: (N,).
        present: (N,) bool.
    """
    total, shown = _down_to(scores, present)
    end = int((total < count).sum())
    before, found = (total[end - 1], shown[end - 1]) if end else (total.new_zeros(()), shown.new_zeros(()))
    share = (count - before) / (total[end] - before)
    return float((found + share * (shown[end] - found)) / count)


def _down_to(scores: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """For each different score, highest first: how many pictures have it or more, and how many of these
    show the object."""
    values, rank, counts = scores.unique(return_inverse=True, return_counts=True)
    shown = torch.zeros(len(values), dtype=torch.float64).index_add_(0, rank, present.double())
    return counts.double().flip(0).cumsum(0), shown.flip(0).cumsum(0)


def ranking_figures(
    scores: Sequence[float], present: Sequence[bool], references: Sequence[str | None], tops: Sequence[int]
) -> dict[str, float]:
    """Figures over all episodes, and the mean over galleries, the episodes of one reference.

    Galleries of which every picture shows the object, or none, are left out; so is a precision at k from
    galleries smaller than k.

    Args:
        scores: N presence scores.
        present: Whether each query shows the object; both kinds among them.
        references: What names the supports of each; None is in no gallery.
        tops: Values of k.
    """
    values, shown = torch.tensor(scores, dtype=torch.float64), torch.tensor(present)
    figures = {'presence_auroc': auroc(values, shown), 'presence_ap': average_precision(values, shown)}
    members: dict[str, list[int]] = defaultdict(list)
    for place, reference in enumerate(references):
        if reference is not None:
            members[reference].append(place)
    places = [torch.tensor(each) for each in members.values()]
    galleries = [(values[each], shown[each]) for each in places if 0 < shown[each].sum() < len(each)]
    if not galleries:
        return figures
    figures['galleries'] = float(len(galleries))
    figures['gallery_size'] = sum(len(gallery[0]) for gallery in galleries) / len(galleries)
    figures['gallery_auroc'] = _mean([auroc(*gallery) for gallery in galleries])
    figures['gallery_ap'] = _mean([average_precision(*gallery) for gallery in galleries])
    figures['gallery_chance_ap'] = _mean([_chance(gallery[1]) for gallery in galleries])
    for k in tops:
        if large := [gallery for gallery in galleries if len(gallery[0]) >= k]:
            figures[f'gallery_precision@{k}'] = _mean([precision_at(k, *gallery) for gallery in large])
    return figures


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _chance(present: Tensor) -> float:
    """The average precision of scores that are all equal: the share that shows the object."""
    return float(present.double().mean())
