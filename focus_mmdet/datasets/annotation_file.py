"""Read and check annotation files: COCO JSON with instances, and manifests.

Everything that can be known before training starts is checked here, and each
problem is named with its file and record.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from focus_mmdet.datasets.episode import Box, Episode, Frame, Track
from focus_mmdet.datasets.image_file import image_size
from focus_mmdet.errors import InputError
from focus_mmdet.shipped import about_missing_data

_IMAGE_NEEDS = frozenset({'id', 'file_name', 'width', 'height', 'video_id', 'frame_id'})
_ANNOTATION_NEEDS = frozenset({'id', 'image_id', 'instance_id', 'bbox'})
_ANNOTATION_KEYS = _ANNOTATION_NEEDS | {'category_id', 'video_id', 'area', 'iscrowd', 'segmentation'}
_FRAME_NEEDS = frozenset({'file_name', 'width', 'height', 'bbox'})
_FRAME_KEYS = _FRAME_NEEDS | {'video_id', 'frame_id', 'distractors', 'look_alikes'}
_EPISODE_KEYS = frozenset({'id', 'supports', 'query', 'instance_id'})
#: Boxes may overhang by this much (pixels), as rounding in COCO files does.
_SLACK = 1.0


def read_json(path: str) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        InputError: No such file, not JSON, or not an object.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8-sig'))
    except OSError:
        raise InputError(f'{path}: no such annotation file. {about_missing_data(path)}') from None
    except UnicodeDecodeError:
        raise InputError(f'{path}: not UTF-8 text; save it as UTF-8') from None
    except (RecursionError, ValueError) as error:
        raise InputError(f'{path}: not valid JSON ({error})') from None
    if not isinstance(content, dict):
        raise InputError(f'{path}: the top level must be a JSON object')
    return content


def _check_keys(record: Any, needs: Iterable[str], known: Iterable[str] | None, where: str) -> None:
    if not isinstance(record, dict):
        raise InputError(f'{where}: must be a JSON object')
    missing = sorted(set(needs) - set(record))
    unknown = [] if known is None else sorted(set(record) - set(known))
    if missing or unknown:
        problems = [f'missing {", ".join(missing)}'] * bool(missing)
        problems += [f'unknown key {", ".join(unknown)}'] * bool(unknown)
        names = '' if known is None else f' (known: {", ".join(sorted(known))})'
        raise InputError(f'{where}: {"; ".join(problems)}{names}')


def _check_id(record: dict[str, Any], key: str, where: str) -> None:
    if not isinstance(record[key], (int, str)) or isinstance(record[key], bool):
        raise InputError(f'{where}: {key} must be a whole number or a string, not {record[key]!r}')


def _order(identifier: int | str) -> tuple[bool, int | str]:
    """Sort key of ids that may be numbers or strings."""
    return isinstance(identifier, str), identifier


def _place(image: dict[str, Any]) -> tuple:
    """Sort key of images: by video, then by frame."""
    return _order(image['video_id']), _order(image['frame_id'])


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) < 1e9 and math.isfinite(value)


def _corners(bbox: Any, width: int, height: int, where: str) -> Box:
    """(x, y, w, h) in pixels, checked, as corners clipped to the image."""
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
    return box


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
        self._sizes: dict[str, tuple[int, int]] = {}
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
        _check_keys(self.content, {'episodes'}, {'episodes', 'info'}, self.path)
        episodes = []
        for index, record in enumerate(self._list('episodes')):
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
            _check_keys(frame, _FRAME_NEEDS, _FRAME_KEYS, inside)
            frames.append(self._listed_frame(frame, place == 'query', inside))
        return Episode(tuple(frames[:-1]), frames[-1])

    def _listed_frame(self, record: dict[str, Any], is_query: bool, where: str) -> Frame:
        if record['bbox'] is None and not is_query:
            raise InputError(f'{where}: bbox is null; only a query may be without the object')
        others, alike = record.get('distractors', []), record.get('look_alikes', [])
        flags = isinstance(alike, list) and all(isinstance(flag, bool) for flag in alike)
        if not isinstance(others, list) or not flags or len(others) != len(alike):
            raise InputError(
                f'{where}: distractors and look_alikes must be two lists of one length, of boxes and booleans'
            )
        frame = self._frame(record, record['bbox'], where)
        boxes = tuple(_corners(bbox, frame.width, frame.height, f'{where} distractors') for bbox in others)
        # A manifest says only who is alike, not of which class.
        return replace(
            frame,
            category='target',
            others=boxes,
            classes=tuple('target' if flag else None for flag in alike),
        )

    def tracks(self) -> list[Track]:
        """The objects of a COCO file, by ``instance_id``, checked."""
        images = self._images()
        frames: dict[Any, dict[Any, Frame]] = defaultdict(dict)
        classes: dict[Any, Any] = {}
        shown: dict[Any, list] = defaultdict(list)
        for index, record in enumerate(self._list('annotations')):
            where = f'{self.path}: annotations[{index}]'
            try:
                instance, image = self._annotation(record, images, where)
                where = f'{where} (id {record["id"]}, instance_id {instance})'
                if image in frames[instance]:
                    raise InputError(f'{where}: instance_id {instance} has two boxes in one frame')
                frames[instance][image] = self._frame(images[image], record['bbox'], where)
                classes[instance, image] = classes[instance] = record.get('category_id')
                shown[image].append(instance)
            except InputError as error:
                self.drop(error)
        absent = self._absent(images, frames)

        def ordered(found: dict[Any, Frame]) -> list[Any]:
            return sorted(found, key=lambda image: _place(images[image]))

        def surrounded(instance: Any, image: Any, frame: Frame) -> Frame:
            others = [other for other in shown[image] if other != instance]
            return replace(
                frame,
                category=classes.get((instance, image), classes.get(instance)),
                others=tuple(frames[other][image].box for other in others),  # type: ignore[misc]
                classes=tuple(classes[other, image] for other in others),
            )

        return [
            Track(
                f'instance_id {instance}',
                tuple(surrounded(instance, image, found[image]) for image in ordered(found)),
                tuple(
                    surrounded(instance, image, absent[instance][image])
                    for image in ordered(absent[instance])
                ),
            )
            for instance, found in sorted(frames.items(), key=lambda item: _order(item[0]))
            if found
        ]

    def _absent(self, images: dict, frames: dict) -> dict[Any, dict[Any, Frame]]:
        """Frames known not to show an object, by object and image id."""
        found: dict[Any, dict[Any, Frame]] = defaultdict(dict)
        named = self.content.get('instances', [])
        known = set(frames) | {each['id'] for each in named if isinstance(each, dict) and 'id' in each}
        for image in images.values():
            where = f'{self.path}: image id {image["id"]}'
            listed = image.get('absent', [])
            try:
                if not isinstance(listed, list):
                    raise InputError(f'{where}: absent must be a list of instance ids, not {listed!r}')
                for instance in listed:
                    _check_id({'absent': instance}, 'absent', where)
                    if instance not in known:
                        raise InputError(
                            f'{where}: absent names instance_id {instance!r}, which is nowhere else'
                        )
                    if image['id'] in frames.get(instance, {}):
                        raise InputError(f'{where}: instance_id {instance} is absent, yet has a box')
                    found[instance][image['id']] = self._frame(image, None, where)
            except InputError as error:
                self.drop(error)
        return found

    def _frame(self, image: dict[str, Any], bbox: Any, where: str) -> Frame:
        """Check one box and its image file; ``bbox`` is (x, y, w, h) in pixels, or None."""
        width, height = image['width'], image['height']
        for name, value in (('width', width), ('height', height)):
            if not _whole(value) or value <= 0:
                raise InputError(f'{where}: {name} of the image must be a positive integer, not {value!r}')
        box = None if bbox is None else _corners(bbox, width, height, where)
        path = str(Path(self.image_root) / str(image['file_name']))
        if path not in self._sizes:
            try:
                self._sizes[path] = image_size(path)
            except InputError as error:
                raise InputError(f'{where}: {error}') from None
        real = self._sizes[path]
        if real != (width, height):
            raise InputError(
                f'{where}: {path}: the image is {real[0]} x {real[1]}, but its record says '
                f'{width} x {height}. Correct the record (photographs count as their EXIF tag turns them)'
            )
        number = image.get('frame_id')
        return Frame(
            path, width, height, box, video=image.get('video_id'), number=number if _whole(number) else None
        )

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
        places: dict[tuple, Any] = {}
        for index, image in enumerate(self._list('images')):
            where = f'{self.path}: images[{index}]'
            try:
                _check_keys(image, _IMAGE_NEEDS, None, where)
                for key in ('id', 'video_id', 'frame_id'):
                    _check_id(image, key, where)
                first = places.setdefault(_place(image), image['id'])
                if first != image['id']:
                    raise InputError(
                        f'{where}: video_id {image["video_id"]} has frame_id {image["frame_id"]} twice '
                        f'(image ids {first} and {image["id"]}); give every photograph a place of its own'
                    )
            except InputError as error:
                self.drop(error)
                continue
            if image['id'] in images:
                raise InputError(f'{where}: image id {image["id"]} is used twice')
            images[image['id']] = image
        return images

    def _annotation(self, record: Any, images: dict, where: str) -> tuple[Any, Any]:
        """The record's instance and image ids."""
        _check_keys(record, _ANNOTATION_NEEDS, _ANNOTATION_KEYS, where)
        for key in ('image_id', 'instance_id'):
            _check_id(record, key, where)
        if record.get('iscrowd'):
            raise InputError(f'{where} (id {record["id"]}): iscrowd is set; a crowd is not one object')
        if record['image_id'] not in images:
            raise InputError(
                f'{where} (id {record["id"]}, instance_id {record["instance_id"]}): '
                f'image_id {record["image_id"]} is not in images'
            )
        return record['instance_id'], record['image_id']
