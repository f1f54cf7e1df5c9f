"""What a frozen vision tower has made of images, kept for when they come again."""

from collections.abc import Callable, Sequence
from hashlib import blake2b

import torch
from torch import Tensor

_GIB = 2**30


class FeatureCache:
    """Features by the pixels they were made of, in memory, in half precision.

    All that passes through is rounded alike, so that a run does not depend on what was kept.

    Args:
        limit: GiB that are kept; what comes later is computed each time.
    """

    def __init__(self, limit: float) -> None:
        self._free = int(limit * _GIB)
        self._kept: dict[bytes, Tensor] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def __call__(
        self, images: Sequence[Tensor], compute: Callable[[list[Tensor]], list[Tensor]]
    ) -> list[Tensor]:
        """Features of each image.

        Args:
            images: Pixel values.
            compute: Features of some of them.
        """
        keys = [_digest(image) for image in images]
        new = {key: image for key, image in zip(keys, images, strict=True) if key not in self._kept}
        made: dict[bytes, Tensor] = {}
        if new:
            with torch.no_grad():
                features = compute(list(new.values()))
            made = {key: each.half() for key, each in zip(new, features, strict=True)}
        found = [self._kept[key] if key in self._kept else made[key] for key in keys]
        for key, each in made.items():
            if self._free >= each.nbytes:
                self._free -= each.nbytes
                self._kept[key] = each.clone()
        return [each.to(image.dtype) for each, image in zip(found, images, strict=True)]


def _digest(image: Tensor) -> bytes:
    return blake2b(image.cpu().numpy().tobytes(), digest_size=16).digest()
