"""Find by features alone: what looks like the inside of the supports' boxes, and not like their outside."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from focus_mmdet.core.places import grid_places, places_cover

#: Pixels of a map that is cut into a region, for each feature.
_FINER = 4


def box_cover(box: Tensor, shape: tuple[int, int]) -> Tensor:
    """The share of each cell that a box covers.

    Args:
        box: (4,) as (x1, y1, x2, y2) in 0..1 of the image.
        shape: Rows h and columns w of cells that divide the image evenly.

    Returns:
        (h, w) in 0..1; a box thinner than a cell still covers a part of one.
    """
    return places_cover(grid_places(*shape).to(box), box).view(shape)


@dataclass(frozen=True)
class Look:
    """How an object looks in K supports: what the M places hold of which its boxes cover a part.

    Attributes:
        features: (M, C) of length one.
        shares: (K, M) the share of each place in each support's box, so that each row sums to 1.
    """

    features: Tensor
    shares: Tensor

    @classmethod
    def of(cls, supports: Sequence[Tensor], covers: Sequence[Tensor]) -> 'Look':
        """Of K supports.

        Args:
            supports: Per support, (N, C) features of its places.
            covers: Per support, (N,) the share of each place that the box covers; somewhere more than 0.
        """
        held = [cover > 0 for cover in covers]
        features = [support[kept].float() for support, kept in zip(supports, held, strict=True)]
        shares = [cover[kept] / cover.sum() for cover, kept in zip(covers, held, strict=True)]
        return cls(normalize(torch.cat(features), dim=1), torch.block_diag(*shares))

    def likeness(self, query: Tensor) -> Tensor:
        """How much of the object is found again: over its places, the mean cosine to the most alike one.

        Of several supports, the most alike one counts. (Late interaction: Khattab and Zaharia, 2020.)

        Args:
            query: (N, C) features of a query's places.

        Returns:
            () in -1..1.
        """
        best = (self.features @ normalize(query.float(), dim=1).T).max(1).values
        return (self.shares @ best).max()


def contrast_map(supports: Tensor, boxes: Sequence[Tensor], query: Tensor) -> Tensor:
    """How much more each place of the query looks like the object than like what surrounds it.

    All features are brought to length one. Of each support the mean inside its
    box less the mean outside is taken (a box that fills its image has no
    outside), and supports count alike.

    Args:
        supports: (K, C, h, w) features of the supports.
        boxes: K times (4,), their boxes as (x1, y1, x2, y2) in 0..1 of each image.
        query: (C, h, w) features of the query.

    Returns:
        (h, w) in -2..2.
    """
    features = normalize(supports, dim=1)
    inside = torch.stack([box_cover(box, (features.shape[2], features.shape[3])) for box in boxes])[:, None]
    directions = _weighted_mean(features, inside) - _weighted_mean(features, 1 - inside)
    return torch.einsum('chw,c->hw', normalize(query, dim=0), directions.mean(0))


def _weighted_mean(features: Tensor, weights: Tensor) -> Tensor:
    """(K, C) means of (K, C, h, w) under weights (K, 1, h, w); zeros where all weights are."""
    return (features * weights).sum((2, 3)) / weights.sum((2, 3)).clamp(min=1e-6)


def region_box(contrast: Tensor, threshold: float) -> Tensor:
    """The box of the connected region round the maximum.

    Args:
        contrast: (h, w).
        threshold: Share of the range from minimum to maximum that the region exceeds.

    Returns:
        (4,) as (x1, y1, x2, y2) in 0..1 of the image; all of it where the map is flat.
    """
    fine = interpolate(contrast[None, None], scale_factor=_FINER, mode='bilinear')[0, 0]
    low, high = fine.aminmax()
    # So written that the maximum itself is always within.
    mask = (fine - low >= threshold * (high - low)).cpu().numpy()
    _, labels = cv2.connectedComponents(mask.astype('uint8'))
    regions = torch.from_numpy(labels).to(fine.device)
    rows, columns = torch.nonzero(regions == regions.flatten()[fine.argmax()], as_tuple=True)
    box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    height, width = fine.shape
    return box / box.new_tensor([width, height, width, height])
