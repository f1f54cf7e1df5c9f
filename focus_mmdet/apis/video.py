"""Frames of videos, as images to show or to ask about."""

import logging
from collections.abc import Iterator
from pathlib import Path

import mmcv
import numpy as np
from mmengine.logging import print_log

from focus_mmdet.errors import InputError

SUFFIXES = {
    '.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.mpg', '.mpeg', '.wmv', '.flv', '.3gp', '.ts', '.ogv',
}  # fmt: skip


def is_video(path: str) -> bool:
    """Whether the ending of ``path`` is that of a video."""
    return Path(path).suffix.lower() in SUFFIXES


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
    number, stated = first, reader.frame_cnt  # not len(): it may be negative
    while number < stated and (frame := reader[number]) is not None:
        yield number, mmcv.bgr2rgb(frame)
        number += every
    if first < number < stated:
        print_log(f'{path}: ends before frame {number} of {stated} stated', 'current', logging.WARNING)
    if number == first:
        raise InputError(
            f'{path}: frame {first} cannot be read; the file states {max(stated, 0)} frames. '
            'Where it plays elsewhere, extract pictures from it, for example with ffmpeg'
        )
