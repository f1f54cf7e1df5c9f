"""Images that turn out to be broken in the middle of a run."""

import logging
from bisect import bisect_left
from collections.abc import Sequence

import torch
from mmengine.logging import print_log

from focus_mmdet.errors import InputError


class UnreadableImageError(InputError):
    """An image file cannot be read.

    Attributes:
        path: The file; empty where the error comes from a data worker, which
            passes on the message alone.
    """

    def __init__(self, message: str, path: str = '') -> None:
        super().__init__(message)
        self.path = path


class UnreadableImages:
    """Those of a dataset, known to all of its data workers.

    Args:
        paths: All image files of the dataset, each once, in order.
        rate: Share of them, 0..1, that may be unreadable.
    """

    def __init__(self, paths: Sequence[str], rate: float) -> None:
        self.rate = rate
        self._paths = paths
        self._broken = torch.zeros(len(self._paths), dtype=torch.bool).share_memory_()

    def add(self, error: UnreadableImageError) -> None:
        """Count an image; warns of each one once.

        Raises:
            InputError: There are more than the rate allows.
        """
        place = bisect_left(self._paths, error.path)
        if not self._broken[place]:
            self._broken[place] = True
            print_log(f'{error}. Its episode is left out', 'current', logging.WARNING)
        found = int(self._broken.sum())
        if found > self.rate * len(self._paths):
            raise InputError(
                f'{error}. It is number {found} of {len(self._paths)} images, more than '
                f'max_unreadable={self.rate} allows'
            ) from error

    def files(self) -> list[str]:
        """The unreadable ones so far."""
        return [self._paths[place] for place in self._broken.nonzero().flatten().tolist()]
