"""Images and boxes as a user gives them."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from focus_mmdet.datasets.image_file import read_image
from focus_mmdet.datasets.queries import split_frame
from focus_mmdet.datasets.unreadable_images import UnreadableImageError
from focus_mmdet.datasets.video import read_frames
from focus_mmdet.errors import InputError

#: A path, ``clip.mp4#120``, an RGB uint8 array (H, W, 3), or an image of Pillow's.
Image = str | Path | np.ndarray | Pillow.Image
#: An image and (x1, y1, x2, y2) in its pixels.
Support = tuple[Image, Sequence[float]]


def check_local(path: str) -> None:
    """Raise :class:`InputError` for an address: nothing is fetched."""
    if '://' in path:
        raise InputError(f'{path}: addresses are not opened; download it, and give its path')


def read_rgb(image: Image, name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB pixels of an image, turned as it is seen.

    Args:
        image: What to read.
        name: Of an image that is no file, for messages.

    Raises:
        InputError: It is no image, or cannot be read.
    """
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise InputError(f'{name}: an array must be (H, W, 3) uint8 RGB, not {image.shape} {image.dtype}')
        return image
    if isinstance(image, Pillow.Image):
        try:
            return np.asarray(ImageOps.exif_transpose(image).convert('RGB'))
        except Exception as error:
            raise UnreadableImageError(f'{name}: cannot be read as an image ({error})', name) from error
    if not isinstance(image, (str, Path)):
        raise InputError(f'{name}: give a path, an RGB array or a PIL image, not {type(image).__name__}')
    path = str(image)
    check_local(path)
    video, number = split_frame(path)
    if number is not None:
        return next(read_frames(video, first=number))[1]
    if not os.path.isfile(path):
        raise InputError(f'{path}: no such image')
    return mmcv.bgr2rgb(read_image(path))


def record_of(pixels: np.ndarray, path: str) -> dict[str, Any]:
    """An RGB image as the transforms of an inference pipeline take it, without a box."""
    height, width = pixels.shape[:2]
    return {
        'img': mmcv.rgb2bgr(pixels),
        'img_id': 0,
        'img_path': path,
        'img_shape': (height, width),
        'ori_shape': (height, width),
        'height': height,
        'width': width,
        'instances': [],
    }


def checked_box(box: Sequence[float], width: int, height: int, name: str) -> tuple[float, ...]:
    """(x1, y1, x2, y2) in pixels of an image of this size.

    Raises:
        InputError: It is something else.
    """
    try:
        x1, y1, x2, y2 = corners = tuple(float(value) for value in box)
    except (TypeError, ValueError):
        raise InputError(f'{name}: a box is four numbers x1, y1, x2, y2, not {box!r}') from None
    problems = {
        'holds what is no number': not all(map(math.isfinite, corners)),
        'is reversed: x1, y1 is its upper left corner': x1 > x2 or y1 > y2,
        f'is empty or outside the {width} x {height} image': not (
            0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
        ),
        'looks like fractions of the image': max(corners) <= 1,
        'is less than a pixel wide or high': min(x2 - x1, y2 - y1) < 1,
    }
    for problem, found in problems.items():
        if found:
            raise InputError(f'{name}: box {corners} {problem}; give x1, y1, x2, y2 in pixels')
    return corners
