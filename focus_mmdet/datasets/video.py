"""Frames of videos, as images to show or to ask about."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import mmcv
import numpy as np
from mmengine.logging import print_log

from focus_mmdet.errors import InputError

SUFFIXES = {
    '.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.mpg', '.mpeg', '.wmv', '.flv', '.3gp', '.ts', '.mts',
    '.m2ts', '.ogv',
}  # fmt: skip


def is_video(path: str) -> bool:
    """Whether the ending of ``path`` is that of a video."""
    return Path(path).suffix.lower() in SUFFIXES


def read_frames(path: str, every: int = 1, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """Frames ``first``, ``first + every``, ... of a video, counted from 0.

    The file is read in order from its beginning, as players do, so a late frame takes its time:
    seeking finds another frame where the rate varies, and in transport streams.

    Yields:
        Number and (H, W, 3) uint8 RGB pixels.

    Raises:
        InputError: No such file, no video that OpenCV reads, or it ends before ``first``.
    """
    if not os.path.isfile(path):
        raise InputError(f'{path}: no such video')
    reader, number = cv2.VideoCapture(path), 0
    try:
        while reader.grab():
            if number >= first and (number - first) % every == 0:
                yield number, mmcv.bgr2rgb(reader.retrieve()[1])
            number += 1
        # Estimated in many containers, and then wrong where the rate varies.
        stated = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        reader.release()
    if not number:
        raise InputError(
            f'{path}: no frame can be read. '
            'Where it plays elsewhere, extract pictures from it, for example with ffmpeg'
        )
    if number <= first:
        raise InputError(f'{path}: no frame {first}: it has {number} frames, counted from 0')
    if number < stated:
        print_log(
            f'{path}: {number} frames were read, its header states {stated}: it may be cut off',
            'current',
            logging.WARNING,
        )
