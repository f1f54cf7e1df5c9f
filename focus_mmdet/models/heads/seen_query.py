"""What the vision part alone says of a query."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from focus_mmdet.core.feature_matching import Look, region_box
from focus_mmdet.core.places import looks, places_cover, spread
from focus_mmdet.models.episode_batch import EpisodeBatch


@dataclass(frozen=True)
class SeenQuery:
    """A query by the features that the language model is given, beside those of its supports.

    Attributes:
        look: How the object looks in the supports.
        tokens: (N, C) the query's visual tokens, those that look somewhere.
        places: (N, 4) where they look.
    """

    look: Look
    tokens: Tensor
    places: Tensor

    @property
    def likeness(self) -> Tensor:
        """() in -1..1: see :meth:`Look.likeness`."""
        return self.look.likeness(self.tokens)

    def alike(self, boxes: Tensor) -> Tensor:
        """(B,) in -1..1 of (B, 4) boxes in 0..1: see :meth:`Look.alike`."""
        return self.look.alike(self.tokens, torch.stack([places_cover(self.places, box) for box in boxes]))

    def region(self, threshold: float) -> Tensor:
        """(4,) in 0..1: the box that ``FeatureMatcher`` would give, see :func:`region_box`."""
        return region_box(spread(self.look.contrasts(self.tokens), self.places), threshold)


def supports_look(tokens: Sequence[Tensor], places: Sequence[Tensor], boxes: Sequence[Tensor]) -> Look:
    """How the object of some supports looks to a vision part.

    Args:
        tokens: Per support, (N, C) its visual tokens.
        places: Per support, (N, 4) where they look.
        boxes: Per support, (4,) in 0..1 of the image.
    """
    seen = [looks(each) for each in places]
    covers = [places_cover(place[kept], box) for place, box, kept in zip(places, boxes, seen, strict=True)]
    return Look.of([token[kept] for token, kept in zip(tokens, seen, strict=True)], covers)


def seen_queries(batch: EpisodeBatch, tokens: Sequence[Tensor], known: Look | None) -> list[SeenQuery | None]:
    """Of each episode; None where it has no supports.

    Args:
        batch: Its queries, behind their supports where ``known`` is None.
        tokens: Per image, (N, C) its visual tokens.
        known: Of :func:`supports_look`.
    """
    found: list[SeenQuery | None] = []
    start = 0
    for count, boxes in zip(batch.frames, batch.support_boxes, strict=True):
        query = start + count - 1
        look = known
        if boxes:
            look = supports_look(tokens[start:query], batch.places[start:query], boxes)
        seen = looks(batch.places[query])
        queried = tokens[query][seen], batch.places[query][seen]
        found.append(None if look is None else SeenQuery(look, *queried))
        start = query + 1
    return found
