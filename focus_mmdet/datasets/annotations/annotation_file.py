"""Read and check annotation files: COCO JSON with instances, and manifests.

Everything that can be known before training starts is checked here, and each
problem is named with its file and record.
"""

import json
import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from focus_mmdet.datasets.annotations.file_names import form_hint, leaves
from focus_mmdet.datasets.annotations.left_out import ANY, LeftOut
from focus_mmdet.datasets.annotations.natural_order import as_number, natural_order
from focus_mmdet.datasets.annotations.records import check_id, check_keys, corners, is_whole, said_id
from focus_mmdet.datasets.episode import ABSENT_KINDS, Episode, Frame, Track
from focus_mmdet.datasets.image_file import image_size
from focus_mmdet.errors import InputError
from focus_mmdet.shipped import about_missing_data

_IMAGE_NEEDS = frozenset({'id', 'file_name', 'width', 'height', 'video_id', 'frame_id'})
_ANNOTATION_NEEDS = frozenset({'id', 'image_id', 'instance_id', 'bbox'})
_ANNOTATION_KEYS = _ANNOTATION_NEEDS | {'category_id', 'video_id', 'area', 'iscrowd', 'segmentation'}
_FRAME_NEEDS = frozenset({'file_name', 'width', 'height', 'bbox'})
_FRAME_KEYS = _FRAME_NEEDS | {'video_id', 'frame_id', 'distractors', 'look_alikes', 'absent_kind'}
_EPISODE_KEYS = frozenset({'id', 'supports', 'query', 'instance_id'})


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


def _place(image: dict[str, Any]) -> tuple:
    """Sort key of images: by video, then by frame."""
    return natural_order(image['video_id']), natural_order(image['frame_id'])


class AnnotationFile:
    """One annotation file and the images it speaks of.

    Args:
        path: COCO JSON whose annotations carry ``instance_id`` and whose
            images carry ``video_id`` and ``frame_id``, or an episode manifest.
        image_root: Folder of the images' ``file_name``.
        drop_bad: Leave bad records out and count them, instead of raising. An
            image goes with them whole, so that it is not taken to lack what they show.
        allow_outside: Take a ``file_name`` that is absolute or leaves its folder.
        data_root: A folder round ``image_root`` that ``file_name`` may reach into as well.
    """

    def __init__(
        self,
        path: str,
        image_root: str,
        drop_bad: bool = False,
        allow_outside: bool = False,
        data_root: str | None = None,
    ) -> None:
        self.path = path
        self.image_root = image_root
        self.drop_bad = drop_bad
        self.allow_outside = allow_outside
        self.data_root = data_root
        self.dropped: list[str] = []
        self._files: dict[str, tuple[str, tuple[int, int]]] = {}
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
        check_keys(self.content, {'episodes'}, {'episodes', 'info'}, self.path)
        episodes = []
        for index, record in enumerate(self._list('episodes')):
            where = f'{self.path}: episodes[{index}]'
            try:
                episodes.append(self._episode(record, where))
            except InputError as error:
                self.drop(error)
        return episodes

    @property
    def unjudged(self) -> list[str]:
        """Episodes of the published list that a manifest cannot hold, and why."""
        info = self.content.get('info')
        names = info.get('unjudged', []) if isinstance(info, dict) else []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f'{self.path}: info.unjudged must be a list of strings, an episode each')
        return names

    def _episode(self, record: Any, where: str) -> Episode:
        check_keys(record, {'supports', 'query'}, _EPISODE_KEYS, where)
        if not isinstance(record['supports'], list) or not record['supports']:
            raise InputError(f'{where}: supports must be a list of at least one frame')
        frames = []
        for place, frame in [*enumerate(record['supports']), ('query', record['query'])]:
            inside = f'{where} {place if place == "query" else f"supports[{place}]"}'
            check_keys(frame, _FRAME_NEEDS, _FRAME_KEYS, inside)
            frames.append(self._listed_frame(frame, place == 'query', inside))
        return Episode(tuple(frames[:-1]), frames[-1])

    def _listed_frame(self, record: dict[str, Any], is_query: bool, where: str) -> Frame:
        if record['bbox'] is None and not is_query:
            raise InputError(f'{where}: bbox is null; only a query may be without the object')
        kind = record.get('absent_kind')
        if kind is not None and (record['bbox'] is not None or kind not in ABSENT_KINDS):
            raise InputError(
                f'{where}: absent_kind {kind!r}: one of {ABSENT_KINDS}, of a query whose bbox is null'
            )
        others, alike = record.get('distractors', []), record.get('look_alikes', [])
        flags = isinstance(alike, list) and all(isinstance(flag, bool) for flag in alike)
        if not isinstance(others, list) or not flags or len(others) != len(alike):
            raise InputError(
                f'{where}: distractors and look_alikes must be two lists of one length, of boxes and booleans'
            )
        frame = self._frame(record, record['bbox'], where)
        boxes = tuple(corners(bbox, frame.width, frame.height, f'{where} distractors') for bbox in others)
        # A manifest says only who is alike, not of which class.
        return replace(
            frame,
            category='target',
            others=boxes,
            classes=tuple('target' if flag else None for flag in alike),
            absent_kind=kind,
        )

    def tracks(self) -> list[Track]:
        """The objects of a COCO file, by ``instance_id``, checked."""
        images, left_out = self._images()
        frames, shown = self._boxes(images, left_out)
        absent = self._absent(images, left_out, frames)

        def ordered(instance: Any, found: dict[Any, Frame]) -> tuple[Frame, ...]:
            """By video and frame, with the other objects in each."""
            return tuple(
                _surrounded(found[image], [frames[each][image] for each in shown[image] if each != instance])
                for image in sorted(found, key=lambda image: _place(images[image]))
            )

        tracks = []
        for instance, found in sorted(frames.items(), key=lambda item: natural_order(item[0])):
            if found:
                category = [*found.values()][-1].category
                lacking = {key: replace(each, category=category) for key, each in absent[instance].items()}
                shows, lacks = ordered(instance, found), ordered(instance, lacking)
                tracks.append(Track(f'instance_id {instance}', shows, lacks, left_out.videos(instance)))
        return tracks

    def _boxes(
        self, images: dict, left_out: LeftOut
    ) -> tuple[dict[Any, dict[Any, Frame]], dict[Any, list[Any]]]:
        """Frames by object and image id, and the objects by image id."""
        for key in ('instance_id', 'category_id'):
            self._check_spelling('annotations', key)
        frames: dict[Any, dict[Any, Frame]] = defaultdict(dict)
        shown: dict[Any, list[Any]] = defaultdict(list)
        for index, record in enumerate(self._list('annotations')):
            where = f'{self.path}: annotations[{index}]'
            instance, image = said_id(record, 'instance_id'), said_id(record, 'image_id')
            try:
                self._check_annotation(record, images, where)
                if image in left_out.images:
                    left_out.add(instance, image)
                    continue
                where = f'{where} (id {record["id"]}, instance_id {instance})'
                if image in frames[instance]:
                    raise InputError(f'{where}: instance_id {instance} has two boxes in one frame')
                frame = self._frame(images[image], record['bbox'], where)
            except InputError as error:
                self.drop(error)
                left_out.add(instance, image)
                continue
            frames[instance][image] = replace(frame, category=record.get('category_id'))
            shown[image].append(instance)
        for image in left_out.images & shown.keys():
            for instance in shown.pop(image):
                del frames[instance][image]
                left_out.add(instance, image)
        return frames, shown

    def _absent(self, images: dict, left_out: LeftOut, frames: dict) -> dict[Any, dict[Any, Frame]]:
        """Frames known not to show an object, by object and image id."""
        found: dict[Any, dict[Any, Frame]] = defaultdict(dict)
        known = set(frames) | self._instances(left_out)
        for image in (image for key, image in images.items() if key not in left_out.images):
            where = f'{self.path}: image id {image["id"]}'
            listed = image.get('absent', [])
            try:
                if not isinstance(listed, list):
                    raise InputError(f'{where}: absent must be a list of instance ids, not {listed!r}')
                for instance in listed:
                    check_id({'absent': instance}, 'absent', where)
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

    def _instances(self, left_out: LeftOut) -> set[Any]:
        """Ids of the objects that the file lists; those of which it does not list every box are noted."""
        named = [each for each in self.content.get('instances') or [] if isinstance(each, dict)]
        for index, each in enumerate(named):
            kind = each.get('absence', 'listed')
            if kind != 'listed':
                raise InputError(
                    f"{self.path}: instances[{index}]: absence is 'listed' or left out, not {kind!r}"
                )
            if 'absence' in each:
                left_out.add_unlisted(said_id(each, 'id'))
        return {said_id(each, 'id') for each in named}

    def _frame(self, image: dict[str, Any], bbox: Any, where: str) -> Frame:
        """Check one box and its image file; ``bbox`` is (x, y, w, h) in pixels, or None."""
        width, height = image['width'], image['height']
        for name, value in (('width', width), ('height', height)):
            if not is_whole(value) or value <= 0:
                raise InputError(f'{where}: {name} of the image must be a positive integer, not {value!r}')
        box = None if bbox is None else corners(bbox, width, height, where)
        path, real = self._file(image['file_name'], where)
        if real != (width, height):
            raise InputError(
                f'{where}: {path}: the image is {real[0]} x {real[1]}, but its record says '
                f'{width} x {height}. Correct the record (photographs count as their EXIF tag turns them)'
            )
        frame = said_id(image, 'frame_id')
        number: Any = None if frame is ANY else as_number(frame)
        return Frame(
            path, width, height, box, video=image.get('video_id'), number=number if is_whole(number) else None
        )

    def _file(self, name: Any, where: str) -> tuple[str, tuple[int, int]]:
        """Path of an image, and its (width, height) in pixels."""
        if not isinstance(name, str) or not name:
            raise InputError(f'{where}: file_name must be the name of a file, not {name!r}')
        if name not in self._files:
            if not self.allow_outside and leaves(name, self.image_root, self.data_root):
                raise InputError(
                    f'{where}: file_name {name!r} leaves the data root. Give it relative to '
                    f'{self.image_root or "."} and below it, or set allow_outside=True of the dataset'
                )
            path = str(Path(self.image_root) / name)
            try:
                self._files[name] = path, image_size(path)
            except InputError as error:
                raise InputError(f'{where}: {error}{form_hint(path)}') from None
        return self._files[name]

    def _list(self, key: str) -> list[Any]:
        value = self.content.get(key)
        if not isinstance(value, list):
            raise InputError(
                f'{self.path}: no list {key!r}. Give COCO JSON (images, annotations with instance_id) '
                'or a manifest (episodes)'
            )
        return value

    def _images(self) -> tuple[dict[Any, dict[str, Any]], LeftOut]:
        """Records by id, and which of them are bad."""
        for key in ('id', 'video_id'):
            self._check_spelling('images', key)
        images: dict[Any, dict[str, Any]] = {}
        left_out = LeftOut(images)
        places: dict[tuple, Any] = {}
        files: dict[str, Any] = {}
        for index, image in enumerate(self._list('images')):
            where = f'{self.path}: images[{index}]'
            number = said_id(image, 'id')
            if number in images:
                raise InputError(f'{where}: image id {number} is used twice')
            try:
                check_keys(image, _IMAGE_NEEDS, None, where)
                for key in ('id', 'video_id', 'frame_id'):
                    check_id(image, key, where)
                name = os.path.normpath(str(image['file_name']))
                if (first := files.setdefault(name, number)) != number:
                    left_out.images.add(first)
                    raise InputError(
                        f'{where}: file_name {name} has two image ids, {first} and {number}; an object in it '
                        'would support itself. List every file once'
                    )
                if (first := places.setdefault(_place(image), number)) != number:
                    raise InputError(
                        f'{where}: video_id {image["video_id"]} has frame_id {image["frame_id"]} twice '
                        f'(image ids {first} and {number}); give every photograph a place of its own'
                    )
            except InputError as error:
                self.drop(error)
                left_out.images.add(number)
            if number is not ANY and said_id(image, 'video_id') is not ANY:
                images[number] = image
        return images, left_out

    def _check_spelling(self, part: str, key: str) -> None:
        """Refuse an id that is a number in one record and the same as text in another."""
        values = [said_id(record, key) for record in self._list(part)]
        texts = {value: index for index, value in enumerate(values) if isinstance(value, str)}
        for index, value in enumerate(values if texts else ()):
            if not isinstance(value, str) and (other := texts.get(str(value))) is not None:
                raise InputError(
                    f'{self.path}: {key} is {value} in {part}[{index}], and the text "{value}" in '
                    f'{part}[{other}]. These are two ids; write one of them'
                )

    def _check_annotation(self, record: Any, images: dict, where: str) -> None:
        """Raise :class:`InputError` for a record that is no box of an object in an image."""
        check_keys(record, _ANNOTATION_NEEDS, _ANNOTATION_KEYS, where)
        for key in ('image_id', 'instance_id'):
            check_id(record, key, where)
        if record.get('category_id') is not None:
            check_id(record, 'category_id', where)
        where = f'{where} (id {record["id"]}, instance_id {record["instance_id"]})'
        if record.get('iscrowd'):
            raise InputError(f'{where}: iscrowd is set; a crowd is not one object')
        if record['image_id'] not in images:
            raise InputError(f'{where}: image_id {record["image_id"]} is not in images')
        if record['bbox'] is None:
            raise InputError(
                f'{where}: bbox is null. Remove the record; if the image is known not to show the object, '
                'list it as "absent" of the image'
            )


def _surrounded(frame: Frame, others: list[Frame]) -> Frame:
    """A frame with the boxes of the other objects in it."""
    return replace(
        frame,
        others=tuple(other.box for other in others if other.box is not None),
        classes=tuple(other.category for other in others),
    )
