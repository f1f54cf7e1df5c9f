"""Images and boxes as a user gives them."""

import glob
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mmcv
import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from focus_mmdet.datasets.image_file import Size, read_image, read_reduced, rgb_of
from focus_mmdet.datasets.queries import split_frame
from focus_mmdet.datasets.unreadable_images import UnreadableImageError
from focus_mmdet.datasets.video import is_video, read_frames
from focus_mmdet.errors import InputError

#: A path, ``clip.mp4#120``, an RGB uint8 array (H, W, 3), or an image of Pillow's.
Image = str | Path | np.ndarray | Pillow.Image
#: An image and (x1, y1, x2, y2) in its pixels.
Support = tuple[Image, Sequence[float]]


def check_local(path: str) -> None:
    """Raise :class:`InputError` for an address: nothing is fetched."""
    if '://' in path:
        raise InputError(f'{path}: addresses are not opened; download it, and give its path')


class SeenPixels(NamedTuple):
    """An image as it is seen: (H, W, 3) uint8 RGB, and its own (width, height), which may be larger."""

    pixels: np.ndarray
    size: Size


def read_seen(image: Image, name: str, is_enough: Callable[[Size, Size], bool] | None = None) -> SeenPixels:
    """Pixels of an image, of a file maybe fewer than it has.

    Args:
        image: What to read.
        name: Of an image that is no file, for messages.
        is_enough: As of :func:`focus_mmdet.datasets.image_file.read_reduced`; None: only all pixels are.

    Raises:
        InputError: It is no image, or cannot be read.
    """
    if is_enough is not None and isinstance(image, (str, Path)) and split_frame(str(image))[1] is None:
        pixels, size = read_reduced(_checked_file(str(image)), is_enough)
        return SeenPixels(mmcv.bgr2rgb(pixels), size)
    pixels = read_rgb(image, name)
    return SeenPixels(pixels, (pixels.shape[1], pixels.shape[0]))


def read_rgb(image: Image, name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB pixels of an image, turned as it is seen; arguments as of :func:`read_seen`."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise InputError(f'{name}: an array must be (H, W, 3) uint8 RGB, not {image.shape} {image.dtype}')
        return image
    if isinstance(image, Pillow.Image):
        try:
            return rgb_of(ImageOps.exif_transpose(image))
        except Exception as error:
            raise UnreadableImageError(f'{name}: cannot be read as an image ({error})', name) from error
    if not isinstance(image, (str, Path)):
        raise InputError(f'{name}: give a path, an RGB array or a PIL image, not {type(image).__name__}')
    video, number = split_frame(str(image))
    if number is not None:
        check_local(video)
        return next(read_frames(video, first=number))[1]
    return mmcv.bgr2rgb(read_image(_checked_file(str(image))))


def _checked_file(path: str) -> str:
    if not path:
        raise InputError("'': an empty name; give a file, a folder or a pattern")
    check_local(path)
    if os.path.isdir(path):
        raise InputError(f'{path}: a folder without pictures or videos in it or below')
    if not os.path.isfile(path):
        what = 'no such image; the pattern matches nothing' if glob.has_magic(path) else 'no such image'
        raise InputError(f'{path}: {what}')
    if is_video(path):
        raise InputError(f'{path}: a video; name a frame of it, {path}#0 is the first')
    return path


def record_of(pixels: np.ndarray, path: str, size: Size | None = None) -> dict[str, Any]:
    """An RGB image as the transforms of an inference pipeline take it, without a box.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        path: Of its file.
        size: (width, height) of that, where ``pixels`` are fewer.
    """
    width, height = size or pixels.shape[1::-1]
    return {
        'img': mmcv.rgb2bgr(pixels),
        'img_id': 0,
        'img_path': path,
        'img_shape': pixels.shape[:2],
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
    except (TypeError, ValueError, OverflowError):
        raise InputError(f'{name}: a box is four numbers x1, y1, x2, y2, not {box!r}') from None
    problems = {
        'holds what is no number': not all(map(math.isfinite, corners)),
        'is reversed: x1, y1 is its upper left corner': x1 > x2 or y1 > y2,
        'is empty': x1 == x2 or y1 == y2,
        f'lies outside the {width} x {height} image': x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height,
        f'reaches over the edge, partly outside the {width} x {height} image': (
            x1 < 0 or y1 < 0 or x2 > width or y2 > height
        ),
        'looks like fractions of the image': max(corners) <= 1,
        'is less than a pixel wide or high': min(x2 - x1, y2 - y1) < 1,
    }
    for problem, found in problems.items():
        if found:
            raise InputError(f'{name}: box {corners} {problem}; give x1, y1, x2, y2 in pixels')
    return corners
