"""Lists in which nothing is wrong, as their columns tell.

What these refuse, :mod:`coco` looks at record by record.
"""

import os
from collections.abc import Mapping
from types import NoneType
from typing import Any

import numpy as np

from focus_mmdet.datasets.annotations.columns import Columns, in_natural_order, kinds
from focus_mmdet.datasets.annotations.image_files import ImageFiles
from focus_mmdet.datasets.annotations.records import all_corners
from focus_mmdet.datasets.annotations.tracks import Boxes, in_order

IMAGE_NEEDS = frozenset({'id', 'file_name', 'width', 'height', 'video_id', 'frame_id'})
ANNOTATION_NEEDS = frozenset({'id', 'image_id', 'instance_id', 'bbox'})
ANNOTATION_KEYS = ANNOTATION_NEEDS | {'category_id', 'video_id', 'area', 'iscrowd', 'segmentation', 'score'}
_IDS = {int, str}
#: Pixels; longer sides would not fit columns.
_TOO_LONG = 2**31


def sound_order(images: Columns, files: ImageFiles) -> np.ndarray | None:
    """(N,) int64 ranks of N images, by video and frame; None where something may be wrong with one."""
    if not images.all_have(IMAGE_NEEDS):
        return None
    ids, videos, frames, names = (images[key] for key in ('id', 'video_id', 'frame_id', 'file_name'))
    sides = images['width'] + images['height']
    if (kinds(ids) | kinds(videos) | kinds(frames)) - _IDS or kinds(names) - {str} or kinds(sides) - {int}:
        return None
    if min(sides, default=1) <= 0 or max(sides, default=1) >= _TOO_LONG or '' in names:
        return None
    if len(set(ids)) < len(ids) or len(set(map(os.path.normpath, names))) < len(names):
        return None
    ranks, repeated = in_order(videos, frames)
    return None if repeated or not files.may_all_be(names) else ranks


def sound_boxes(annotations: Columns, images: Columns, places: Mapping[Any, int]) -> Boxes | None:
    """The annotations as rows; None where something may be wrong with one.

    Args:
        annotations: Of the file.
        images: Of the file, all of them sound.
        places: Of the images, by id.
    """
    if not annotations.all_have(ANNOTATION_NEEDS, ANNOTATION_KEYS):
        return None
    shown, instances, categories = (annotations[key] for key in ('image_id', 'instance_id', 'category_id'))
    if (kinds(shown) | kinds(instances)) - _IDS or kinds(categories) - {*_IDS, NoneType}:
        return None
    if any(annotations['iscrowd']):
        return None
    try:
        rows = np.fromiter(map(places.__getitem__, shown), np.int64, len(shown))
    except KeyError:
        return None
    boxes = all_corners(annotations['bbox'], np.array([images['width'], images['height']], np.int64).T[rows])
    if boxes is None:
        return None
    found = Boxes(np.arange(len(shown)), rows, *in_natural_order(instances), boxes, categories)
    return None if found.repeat() else found
