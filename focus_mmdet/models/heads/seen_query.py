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
    """A query by the features of the vision part, beside those of its supports.

    Attributes:
        look: How the object looks in the supports.
        features: (N, C) of the query, see :meth:`VLMFamily.looks`, those that look somewhere.
        places: (N, 4) where they look.
    """

    look: Look
    features: Tensor
    places: Tensor

    @property
    def likeness(self) -> Tensor:
        """() in -1..1: see :meth:`Look.likeness`."""
        return self.look.likeness(self.features)

    def alike(self, boxes: Tensor) -> Tensor:
        """(B,) in -1..1 of (B, 4) boxes in 0..1: see :meth:`Look.alike`."""
        return self.look.alike(self.features, torch.stack([places_cover(self.places, box) for box in boxes]))

    def region(self, threshold: float) -> Tensor:
        """(4,) in 0..1: the box that ``FeatureMatcher`` would give, see :func:`region_box`."""
        return region_box(spread(self.look.contrasts(self.features), self.places), threshold)


def supports_look(seen: Sequence[tuple[Tensor, Tensor]], boxes: Sequence[Tensor]) -> Look:
    """How the object of some supports looks to a vision part.

    Args:
        seen: Per support, (N, C) features and (N, 4) where they look.
        boxes: Per support, (4,) in 0..1 of the image.
    """
    kept = [_that_look(*each) for each in seen]
    covers = [places_cover(places, box) for (_, places), box in zip(kept, boxes, strict=True)]
    return Look.of([features for features, _ in kept], covers)


def seen_queries(
    batch: EpisodeBatch, seen: Sequence[tuple[Tensor, Tensor]], known: Look | None
) -> list[SeenQuery | None]:
    """Of each episode; None where it has no supports.

    Args:
        batch: Its queries, behind their supports where ``known`` is None.
        seen: Per image, (N, C) features and (N, 4) where they look.
        known: Of :func:`supports_look`.
    """
    found: list[SeenQuery | None] = []
    start = 0
    for count, boxes in zip(batch.frames, batch.support_boxes, strict=True):
        query = start + count - 1
        look = supports_look(seen[start:query], boxes) if boxes else known
        found.append(None if look is None else SeenQuery(look, *_that_look(*seen[query])))
        start = query + 1
    return found


def _that_look(features: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Those of some features that look somewhere, and where."""
    kept = looks(places)
    return features[kept], places[kept]
