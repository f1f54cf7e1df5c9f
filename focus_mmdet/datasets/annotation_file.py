"""Read and check annotation files: COCO JSON with instances, and manifests.

Everything that can be known before training starts is checked here, and each
problem is named with its file and record.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from focus_mmdet.datasets.episode import Episode, Frame, Track
from focus_mmdet.errors import InputError

_IMAGE_NEEDS = frozenset({'id', 'file_name', 'width', 'height', 'video_id', 'frame_id'})
_ANNOTATION_NEEDS = frozenset({'id', 'image_id', 'instance_id', 'bbox'})
_ANNOTATION_KEYS = _ANNOTATION_NEEDS | {'category_id', 'video_id', 'area', 'iscrowd', 'segmentation'}
_FRAME_KEYS = frozenset({'file_name', 'width', 'height', 'bbox'})
_EPISODE_KEYS = frozenset({'id', 'supports', 'query', 'instance_id'})
#: Boxes may overhang by this much (pixels), as rounding in COCO files does.
_SLACK = 1.0


def read_json(path: str) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        InputError: No such file, not JSON, or not an object.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise InputError(f'{path}: no such annotation file (ann_file, data_root)') from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f'{path}: not valid JSON ({error})') from None
    if not isinstance(content, dict):
        raise InputError(f'{path}: the top level must be a JSON object')
    return content


def _check_keys(record: Any, needs: Iterable[str], known: Iterable[str] | None, where: str) -> None:
    if not isinstance(record, dict):
        raise InputError(f'{where}: must be a JSON object')
    if missing := sorted(set(needs) - set(record)):
        raise InputError(f'{where}: missing {", ".join(missing)}')
    if known is not None and (unknown := sorted(set(record) - set(known))):
        raise InputError(f'{where}: unknown key {", ".join(unknown)}; known: {", ".join(sorted(known))}')


def _frame(image: dict[str, Any], bbox: Any, root: str, where: str) -> Frame:
    """Check one box and its image file; ``bbox`` is (x, y, w, h) in pixels."""
    width, height = image['width'], image['height']
    for name, value in (('width', width), ('height', height)):
        if not isinstance(value, int) or value <= 0:
            raise InputError(f'{where}: {name} of the image must be a positive integer, not {value!r}')
    numbers = isinstance(bbox, (list, tuple)) and len(bbox) == 4
    if not numbers or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in bbox):
        raise InputError(f'{where}: bbox must be four finite numbers [x, y, width, height], not {bbox!r}')
    x, y, w, h = bbox
    if w <= 0 or h <= 0:
        raise InputError(f'{where}: bbox {bbox} is empty. Remove the record if the object is out of view')
    if min(x, y) < -_SLACK or x + w > width + _SLACK or y + h > height + _SLACK:
        raise InputError(
            f'{where}: bbox {bbox} lies outside its {width} x {height} image. Boxes are '
            '[x, y, width, height] in pixels; clip it, or check for 0..1000 or [x1, y1, x2, y2] units'
        )
    path = Path(root) / str(image['file_name'])
    if not path.is_file():
        raise InputError(f'{where}: image {path} does not exist (data_root, data_prefix.img)')
    box = (max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height)))
    return Frame(str(path), width, height, box)


class AnnotationFile:
    """One annotation file and the images it speaks of.

    Args:
        path: COCO JSON whose annotations carry ``instance_id`` and whose
            images carry ``video_id`` and ``frame_id``, or an episode manifest.
        image_root: Folder of the images' ``file_name``.
        drop_bad: Leave bad records out and count them, instead of raising.
    """

    def __init__(self, path: str, image_root: str, drop_bad: bool = False) -> None:
        self.path = path
        self.image_root = image_root
        self.drop_bad = drop_bad
        self.dropped: list[str] = []
        self.content = read_json(path)

    @property
    def is_manifest(self) -> bool:
        return 'episodes' in self.content

    def drop(self, error: InputError) -> None:
        """Raise ``error``, or note it where bad records are dropped."""
        if not self.drop_bad:
            raise error
        self.dropped.append(str(error))

    def episodes(self) -> list[Episode]:
        """The episodes of a manifest, checked."""
        episodes = []
        for index, record in enumerate(self.content['episodes']):
            where = f'{self.path}: episodes[{index}]'
            try:
                episodes.append(self._episode(record, where))
            except InputError as error:
                self.drop(error)
        return episodes

    def _episode(self, record: Any, where: str) -> Episode:
        _check_keys(record, {'supports', 'query'}, _EPISODE_KEYS, where)
        if not isinstance(record['supports'], list) or not record['supports']:
            raise InputError(f'{where}: supports must be a list of at least one frame')
        frames = []
        for place, frame in [*enumerate(record['supports']), ('query', record['query'])]:
            inside = f'{where} {place if place == "query" else f"supports[{place}]"}'
            _check_keys(frame, _FRAME_KEYS, _FRAME_KEYS, inside)
            frames.append(_frame(frame, frame['bbox'], self.image_root, inside))
        return Episode(tuple(frames[:-1]), frames[-1])

    def tracks(self) -> list[Track]:
        """The objects of a COCO file, by ``instance_id``, checked."""
        images = self._images()
        frames: dict[Any, dict[tuple, Frame]] = defaultdict(dict)
        for index, record in enumerate(self._list('annotations')):
            where = f'{self.path}: annotations[{index}]'
            try:
                instance, order, frame = self._annotation(record, images, where)
                if order in frames[instance]:
                    raise InputError(f'{where}: instance_id {instance} has two boxes in one frame')
                frames[instance][order] = frame
            except InputError as error:
                self.drop(error)
        return [
            Track(f'instance_id {instance}', tuple(found[order] for order in sorted(found)))
            for instance, found in sorted(frames.items())
            if found
        ]

    def _list(self, key: str) -> list[Any]:
        value = self.content.get(key)
        if not isinstance(value, list):
            raise InputError(
                f'{self.path}: no list {key!r}. Give COCO JSON (images, annotations with instance_id) '
                'or a manifest (episodes)'
            )
        return value

    def _images(self) -> dict[Any, dict[str, Any]]:
        images: dict[Any, dict[str, Any]] = {}
        for index, image in enumerate(self._list('images')):
            where = f'{self.path}: images[{index}]'
            _check_keys(image, _IMAGE_NEEDS, None, where)
            if image['id'] in images:
                raise InputError(f'{where}: image id {image["id"]} is used twice')
            images[image['id']] = image
        return images

    def _annotation(self, record: Any, images: dict, where: str) -> tuple[Any, tuple, Frame]:
        _check_keys(record, _ANNOTATION_NEEDS, _ANNOTATION_KEYS, where)
        where = f'{where} (id {record["id"]}, instance_id {record["instance_id"]})'
        image = images.get(record['image_id'])
        if image is None:
            raise InputError(f'{where}: image_id {record["image_id"]} is not in images')
        order = (image['video_id'], image['frame_id'])
        return record['instance_id'], order, _frame(image, record['bbox'], self.image_root, where)
