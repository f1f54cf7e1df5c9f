"""Checks of single records of an annotation file."""

import math
from collections.abc import Container, Iterable, Sequence
from difflib import get_close_matches
from itertools import chain
from typing import Any

import numpy as np

from focus_mmdet.datasets.annotations.columns import kinds
from focus_mmdet.datasets.annotations.left_out import ANY
from focus_mmdet.datasets.episode import ROUNDING, Box, below_a_pixel
from focus_mmdet.errors import InputError

#: Boxes may overhang by this much (pixels), as rounding in COCO files does.
_SLACK = 1.0
#: Larger numbers are no pixels.
_HUGE = 1e9
#: From this similarity on (0..1) a key is taken for a slip of the pen.
_ALIKE = 0.75


def check_keys(record: Any, needs: Iterable[str], known: Iterable[str] | None, where: str) -> None:
    """Raise :class:`InputError` unless a record has the keys it needs and, with ``known``, no others."""
    if not isinstance(record, dict):
        raise InputError(f'{where}: must be a JSON object')
    missing = sorted(set(needs) - set(record))
    unknown = [] if known is None else sorted(set(record) - set(known))
    if missing or unknown:
        problems = [f'missing {", ".join(missing)}'] * bool(missing)
        problems += [f'unknown key {", ".join(unknown)}'] * bool(unknown)
        names = '' if known is None else f' (known: {", ".join(sorted(known))})'
        raise InputError(f'{where}: {"; ".join(problems)}{names}')


def is_id(value: Any) -> bool:
    """Whether a value may identify something: a whole number or text."""
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def check_id(record: dict[str, Any], key: str, where: str) -> None:
    """Raise :class:`InputError` unless ``record[key]`` is an id."""
    if not is_id(record[key]):
        raise InputError(f'{where}: {key} must be a whole number or a string, not {record[key]!r}')


def near_id(value: Any, known: Container[Any]) -> str:
    """For messages on an id that is not ``known``: the one that is spelt alike, as text or as a number."""
    try:
        other = int(value) if isinstance(value, str) else str(value)
    except ValueError:
        return ''
    if other not in known:
        return ''
    return f'; {other!r} is, and a number and its text are two ids. Write one of them'


def check_slips(keys: Iterable[str], meant: str, where: str) -> None:
    """Raise :class:`InputError` where a key that would be read is not there, and one almost like it is."""
    names = set(keys)
    if meant in names:
        return
    for near in get_close_matches(meant, [name.lower() for name in names], n=1, cutoff=_ALIKE):
        slip = next(name for name in names if name.lower() == near)
        raise InputError(f'{where}: {slip!r} is not read; {meant!r} is. Rename or remove it')


def said_id(record: Any, key: str) -> Any:
    """The id that a record gives under ``key``, be it sound otherwise or not; ``ANY`` where it gives none."""
    value = record.get(key) if isinstance(record, dict) else None
    return value if is_id(value) else ANY


def is_whole(value: Any) -> bool:
    """Whether a value is an integer and no boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_lengths(record: dict[str, Any], where: str) -> None:
    """Raise :class:`InputError` unless an image has a width and a height."""
    for name in ('width', 'height'):
        if not is_whole(record[name]) or record[name] <= 0:
            raise InputError(f'{where}: {name} of the image must be a positive integer, not {record[name]!r}')


def _finite(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) < _HUGE and math.isfinite(value)


def corners(bbox: Any, width: int, height: int, where: str) -> Box:
    """(x, y, w, h) in pixels as corners clipped to the image.

    Raises:
        InputError: Not such a box, empty, below a pixel, or outside the image.
    """
    numbers = isinstance(bbox, (list, tuple)) and len(bbox) == 4 and all(map(_finite, bbox))
    if not numbers:
        raise InputError(f'{where}: bbox must be four finite numbers [x, y, width, height], not {bbox!r}')
    x, y, w, h = bbox
    if w <= 0 or h <= 0:
        raise InputError(f'{where}: bbox {bbox} is empty. Remove the record if the object is out of view')
    box = (max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height)))
    overhang = max(-x, -y, x + w - width, y + h - height)
    if overhang > _SLACK or box[2] <= box[0] or box[3] <= box[1]:
        raise InputError(
            f'{where}: bbox {bbox} lies outside its {width} x {height} image. Boxes are '
            '[x, y, width, height] in pixels; clip it, or check for 0..1000 or [x1, y1, x2, y2] units'
        )
    if fault := below_a_pixel(bbox, box[2] - box[0], box[3] - box[1]):
        raise InputError(f'{where}: bbox {bbox} {fault}')
    return box


def all_corners(bboxes: Sequence[Any], sizes: np.ndarray) -> np.ndarray | None:
    """What :func:`corners` makes of many boxes; None where it refuses one of them.

    Args:
        bboxes: N boxes as they stand in the file.
        sizes: (N, 2) int64, width and height of their images.

    Returns:
        (N, 4) float64 as (x1, y1, x2, y2) in pixels.
    """
    if kinds(bboxes) - {list} or set(map(len, bboxes)) - {4}:
        return None
    numbers = list(chain.from_iterable(bboxes))
    if kinds(numbers) - {int, float}:
        return None
    try:
        given = np.array(numbers, np.float64).reshape(-1, 4)
    except OverflowError:
        return None
    start, extent = given[:, :2], given[:, 2:]
    with np.errstate(invalid='ignore'):
        stop = start + extent
        boxes = np.hstack([np.maximum(start, 0.0), np.minimum(stop, sizes)])
        inside = (np.abs(given) < _HUGE).all() and (start >= -_SLACK).all() and (stop - sizes <= _SLACK).all()
        wide = (boxes[:, 2:] - boxes[:, :2] >= 1 - ROUNDING).all() and (extent > 0).all()
    return boxes if inside and wide else None
