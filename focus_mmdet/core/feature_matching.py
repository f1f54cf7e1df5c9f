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
#: Temperature of the cosines by which places are compared.
_TEMPERATURE = 0.1


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
    """How an object looks in K supports: what their M places hold, and which of them lie in the boxes.

    All features are brought to length one, and supports count alike.

    Attributes:
        features: (M, C) of these places.
        shares: (K, M) the share of each place in each support's box, so that each row sums to 1.
        outside: (M,) the share of each place in what lies outside the boxes, so that they sum to 1; zeros
            where the boxes fill their images.
    """

    features: Tensor
    shares: Tensor
    outside: Tensor

    @classmethod
    def of(cls, supports: Sequence[Tensor], covers: Sequence[Tensor]) -> 'Look':
        """Of K supports.

        Args:
            supports: Per support, (N, C) features of its places.
            covers: Per support, (N,) the share of each place that the box covers; somewhere more than 0.
        """
        features = torch.cat([normalize(support.float(), dim=1) for support in supports])
        outside = torch.cat([(1 - cover) / (1 - cover).sum().clamp(min=1e-6) for cover in covers])
        shares = torch.block_diag(*[cover / cover.sum() for cover in covers])
        return cls(features, shares, outside / outside.sum().clamp(min=1e-6))

    @property
    def mean(self) -> Tensor:
        """(C,) of what lies in the boxes."""
        return self.shares.mean(0) @ self.features

    def contrasts(self, query: Tensor) -> Tensor:
        """How much more each place of a query looks like the object than like what surrounds it.

        That is the logarithm of the ratio of two kernel densities, of what lies in the boxes and of what does
        not, in units of a cosine. Places of the query that look alike then share what they have.

        Args:
            query: (N, C) features of its places.

        Returns:
            (N,) in -2..2, above 0 where a place looks more like the object.
        """
        query = normalize(query.float(), dim=1)
        cosines = query @ self.features.T
        inside = _log_density(cosines, self.shares.mean(0))
        contrast = inside - _log_density(cosines, self.outside) if self.outside.any() else inside
        return (query @ query.T / _TEMPERATURE).softmax(1) @ contrast

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

    def alike(self, query: Tensor, covers: Tensor) -> Tensor:
        """How much boxes hold what the supports' boxes do: the cosine of the mean features in them.

        Args:
            query: (N, C) features of a query's places.
            covers: (B, N) the share of each that a box covers.

        Returns:
            (B,) in -1..1.
        """
        held = normalize(covers @ normalize(query.float(), dim=1), dim=1)
        return held @ normalize(self.mean, dim=0)


def _log_density(cosines: Tensor, shares: Tensor) -> Tensor:
    """(N,) in -1..1, how near M places are to each of N, by (N, M) cosines and (M,) shares of each."""
    return _TEMPERATURE * (cosines / _TEMPERATURE + shares.log()).logsumexp(1)


def joined_levels(levels: Sequence[Tensor]) -> Tensor:
    """(N, sum of C, h, w) of several levels, (N, C, h, w) each: of length one, on the finest one's grid.

    Between the places of a coarse level its features are interpolated, and so shorter where they differ.
    """
    size = max(level.shape[2:] for level in levels)
    unit = [normalize(level.float(), dim=1) for level in levels]
    return torch.cat([interpolate(level, size=size, mode='bilinear') for level in unit], 1)


def map_look(supports: Tensor, boxes: Sequence[Tensor]) -> Look:
    """How an object looks.

    Args:
        supports: (K, C, h, w) features of the supports.
        boxes: K times (4,), their boxes as (x1, y1, x2, y2) in 0..1 of each image.
    """
    shape = (supports.shape[2], supports.shape[3])
    covers = [box_cover(box, shape).flatten() for box in boxes]
    return Look.of([support.flatten(1).T for support in supports], covers)


def region_box(contrast: Tensor, threshold: float) -> Tensor:
    """The box of the connected region round the maximum.

    Args:
        contrast: (h, w).
        threshold: Share of the maximum that the region exceeds; a maximum below 0 is by itself the region.

    Returns:
        (4,) as (x1, y1, x2, y2) in 0..1 of the image; all of it where the map is flat.
    """
    fine = interpolate(contrast[None, None], scale_factor=_FINER, mode='bilinear')[0, 0]
    # So written that the maximum itself is always within.
    mask = (fine >= torch.minimum(threshold * fine.max(), fine.max())).cpu().numpy()
    _, labels = cv2.connectedComponents(mask.astype('uint8'))
    regions = torch.from_numpy(labels).to(fine.device)
    rows, columns = torch.nonzero(regions == regions.flatten()[fine.argmax()], as_tuple=True)
    box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    height, width = fine.shape
    return box / box.new_tensor([width, height, width, height])
