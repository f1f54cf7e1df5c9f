"""Boxes of masks: of arrays, of label images and of COCO run lengths.

Boxes are (x, y, width, height) in pixels and hold every pixel of the mask.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from focus_mmdet.errors import InputError

Box = tuple[float, float, float, float]


def mask_box(mask: np.ndarray) -> Box | None:
    """The box of the pixels that are not zero, (H, W); None where there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def label_boxes(labels: np.ndarray, void: int | None = None) -> dict[int, Box]:
    """The box of every object of a label image.

    Args:
        labels: (H, W), 0 is background, other values name objects.
        void: A value that names no object.
    """
    boxes = {}
    for label in np.unique(labels):
        box = mask_box(labels == label)
        if label not in (0, void) and box is not None:
            boxes[int(label)] = box
    return boxes


def rle_box(counts: Any, width: int, height: int) -> Box | None:
    """The box of a COCO mask; None where it is empty.

    Args:
        counts: Run lengths, compressed (text) or as a list.
        width: Of the image in pixels.
        height: Of the image in pixels.

    Raises:
        ValueError: Not run lengths of an image of this size.
    """
    size = [height, width]
    if width <= 0 or height <= 0:
        raise ValueError(f'run lengths of {width} x {height} pixels')
    if isinstance(counts, str):
        coded = {'size': size, 'counts': counts.encode()}
    else:
        # pycocotools checks neither kind nor sign, and the runs need not fill the image.
        if not all(isinstance(run, int) and run >= 0 for run in counts) or sum(counts) != width * height:
            raise ValueError(f'run lengths do not fill {width} x {height} pixels')
        coded = coco_mask.frPyObjects({'size': size, 'counts': counts}, height, width)
    x, y, w, h = (float(value) for value in coco_mask.toBbox(coded))
    if x + w > width or y + h > height:
        raise ValueError(f'run lengths go beyond {width} x {height} pixels')
    return (x, y, w, h) if w and h else None


def box_iou(first: Box, second: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    pair = (np.array([box], dtype=np.float64) for box in (first, second))
    return float(coco_mask.iou(*pair, [0])[0, 0])


def read_labels(path: str | Path) -> np.ndarray:
    """A label image as (H, W) integers: palette indices or grey values.

    Raises:
        InputError: Missing, cannot be read as an image, or in colours, which
            name no objects.
    """
    with _opened(path) as image:
        if image.mode not in ('1', 'L', 'P', 'I', 'I;16'):
            raise InputError(
                f'mask {path}: {image.mode} has no value for each object; give grey or a palette'
            )
        return np.asarray(image).astype(np.int64)


def read_mask(path: str | Path) -> np.ndarray:
    """A mask of one object, (H, W): True where a pixel is neither black nor transparent.

    Raises:
        InputError: Missing, or cannot be read as an image.
    """
    with _opened(path) as image:
        if image.mode in ('1', 'L', 'I', 'I;16'):
            return np.asarray(image) > 0
        pixels = np.asarray(image.convert('RGBA'))
        shown: np.ndarray = (pixels[..., :3].max(axis=2) > 0) & (pixels[..., 3] > 0)
        return shown


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            image.load()
            yield image
    except InputError:
        raise
    except Exception as error:  # Pillow raises many kinds for broken files
        raise InputError(f'mask {path} cannot be read ({error})') from error
