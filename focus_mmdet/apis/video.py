"""Frames of videos, as images to show or to ask about."""

import mimetypes
from collections.abc import Iterator

import mmcv
import numpy as np

from focus_mmdet.errors import InputError


def is_video(path: str) -> bool:
    """Whether the ending of ``path`` is that of a video."""
    return (mimetypes.guess_type(path)[0] or '').startswith('video/')


def read_frames(path: str, every: int = 1, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """Frames ``first``, ``first + every``, ... of a video, counted from 0.

    Yields:
        Number and (H, W, 3) uint8 RGB pixels.

    Raises:
        InputError: No such file, no video that OpenCV reads, or it ends before ``first``.
    """
    try:
        reader = mmcv.VideoReader(path)
    except FileNotFoundError:
        raise InputError(f'{path}: no such video') from None
    number = first
    # The length that a file states may be wrong; the frames themselves say where it ends.
    while number < len(reader) and (frame := reader[number]) is not None:
        yield number, mmcv.bgr2rgb(frame)
        number += every
    if number == first:
        raise InputError(
            f'{path}: frame {first} cannot be read; the file states {max(len(reader), 0)} frames. '
            'Where it plays elsewhere, extract pictures from it, for example with ffmpeg'
        )
