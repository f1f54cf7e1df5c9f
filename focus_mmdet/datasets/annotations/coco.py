"""COCO JSON with instances: its records checked, and made into the objects of the file.

Sound lists are known by their columns. In any other, each record is looked at by
itself, so that what is wrong can be named and left out.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from focus_mmdet.datasets.annotations.columns import Columns, codes, kinds
from focus_mmdet.datasets.annotations.image_files import ImageFiles
from focus_mmdet.datasets.annotations.left_out import ANY, LeftOut
from focus_mmdet.datasets.annotations.natural_order import natural_order
from focus_mmdet.datasets.annotations.records import (
    check_id,
    check_keys,
    check_lengths,
    check_slips,
    corners,
    near_id,
    said_id,
)
from focus_mmdet.datasets.annotations.sound_lists import (
    ANNOTATION_KEYS,
    ANNOTATION_NEEDS,
    IMAGE_NEEDS,
    sound_boxes,
    sound_order,
)
from focus_mmdet.datasets.annotations.tracks import Boxes, Tracks, in_order
from focus_mmdet.datasets.episode import Box
from focus_mmdet.errors import InputError


def record_list(content: dict[str, Any], key: str, path: str) -> list[Any]:
    """A list of a file; :class:`InputError` where it has none."""
    value = content.get(key)
    if not isinstance(value, list):
        raise InputError(
            f'{path}: no list {key!r}. Give COCO JSON (images, annotations with instance_id) '
            'or a manifest (episodes)'
        )
    return value


def faulty_files(
    path: str, content: dict[str, Any], files: ImageFiles, rows: Boxes, images: Sequence[int]
) -> Iterator[tuple[int, InputError]]:
    """Those of some images whose files are not as their records say, and what is wrong with each.

    Args:
        path: Of the annotation file, for messages.
        content: Of it.
        files: Its images.
        rows: Its boxes.
        images: By their places in the file's list.
    """
    first = rows.first_of(np.array(images, np.int64)).tolist()
    for row, image in sorted(zip(first, images, strict=True)):
        record = content['images'][image]
        if fault := files.fault(record['file_name'], record['width'], record['height']):
            where = f'{path}: image id {record["id"]}'
            if row >= 0:
                place = rows.records[row]
                where = _where(f'{path}: annotations[{place}]', content['annotations'][place])
            yield image, InputError(f'{where}: {fault}')


def _where(place: str, annotation: dict[str, Any]) -> str:
    return f'{place} (id {annotation["id"]}, instance_id {annotation["instance_id"]})'


class CocoReader:
    """The lists of one file.

    Args:
        path: Of the file, for messages.
        content: Of it.
        files: Its images.
        drop: Takes what is wrong with a record; where it does not raise, the record is left out.
    """

    def __init__(
        self, path: str, content: dict[str, Any], files: ImageFiles, drop: Callable[[InputError], None]
    ) -> None:
        self.path = path
        self.content = content
        self.files = files
        self.drop = drop
        self.images = record_list(content, 'images', path)
        images = Columns(self.images)
        for key in ('id', 'video_id'):
            self._check_spelling('images', images, key)
        for keys, place in images.layouts.items():
            check_slips(keys, 'absent', f'{path}: images[{place}]')
        for keys, place in Columns(self._instances()).layouts.items():
            check_slips(keys, 'absence', f'{path}: instances[{place}]')
        #: Of the images in their list, by id.
        self.places: dict[Any, int] = {}
        self.left_out = LeftOut(self.places, self.images)
        order = sound_order(images, files)
        if order is not None:
            self.places.update(zip(images['id'], range(len(images)), strict=True))
        self._order = self._take_images() if order is None else order
        self.annotations = record_list(content, 'annotations', path)
        annotations = Columns(self.annotations)
        for key in ('instance_id', 'category_id'):
            self._check_spelling('annotations', annotations, key)
        self._rows = None if order is None else sound_boxes(annotations, images, self.places)

    def tracks(self, check_images: bool) -> Tracks:
        """The objects, by ``instance_id``.

        Args:
            check_images: Read the headers of all images that records speak of.
        """
        known = {} if self._rows is None else dict.fromkeys(self._rows.instances)
        rows = self._boxes(known) if self._rows is None else self._rows
        if check_images:
            rows = self._with_sound_files(rows)
        self._note_unlisted()
        absent = self._absent(rows, set(known), check_images)
        return Tracks(self.images, self._order, rows, absent, self.left_out, self.files)

    def _take_images(self) -> np.ndarray:
        """Look at the images one by one; the ranks of the sound ones, by video and frame."""
        places: dict[tuple, Any] = {}
        files: dict[str, Any] = {}
        for index, image in enumerate(self.images):
            where = f'{self.path}: images[{index}]'
            number = said_id(image, 'id')
            if number in self.places:
                raise InputError(f'{where}: image id {number} is used twice')
            try:
                check_keys(image, IMAGE_NEEDS, None, where)
                for key in ('id', 'video_id', 'frame_id'):
                    check_id(image, key, where)
                name = os.path.normpath(str(image['file_name']))
                if (first := files.setdefault(name, number)) != number:
                    self.left_out.images.add(first)
                    raise InputError(
                        f'{where}: file_name {name} has two image ids, {first} and {number}; an object in it '
                        'would support itself. List every file once'
                    )
                place = natural_order(image['video_id']), natural_order(image['frame_id'])
                if (first := places.setdefault(place, number)) != number:
                    raise InputError(
                        f'{where}: video_id {image["video_id"]} has frame_id {image["frame_id"]} twice '
                        f'(image ids {first} and {number}); give every photograph a place of its own'
                    )
            except InputError as error:
                self.drop(error)
                self.left_out.images.add(number)
            if number is not ANY and said_id(image, 'video_id') is not ANY:
                self.places[number] = index
        sound = [place for number, place in self.places.items() if number not in self.left_out.images]
        order = np.zeros(len(self.images), np.int64)
        order[sound], _ = in_order(
            *([self.images[place][key] for place in sound] for key in ('video_id', 'frame_id'))
        )
        return order

    def _boxes(self, known: dict[Any, None]) -> Boxes:
        """Look at the annotations one by one; ``known`` comes to hold their objects."""
        taken: dict[tuple[Any, int], tuple[int, Box]] = {}
        for index, record in enumerate(self.annotations):
            where = f'{self.path}: annotations[{index}]'
            instance, image = said_id(record, 'instance_id'), said_id(record, 'image_id')
            try:
                self._check_annotation(record, where)
                if image in self.left_out.images:
                    self.left_out.add(instance, image)
                    continue
                known[instance] = None
                where = _where(where, record)
                key = instance, self.places[image]
                if key in taken:
                    raise InputError(f'{where}: instance_id {instance} has two boxes in one frame')
                taken[key] = index, self._box(self.images[key[1]], record['bbox'], where)
            except InputError as error:
                self.drop(error)
                self.left_out.add(instance, image)
        instances = sorted(known, key=natural_order)
        rows = Boxes(
            np.array([index for index, _ in taken.values()], np.int64),
            np.array([image for _, image in taken], np.int64),
            instances,
            codes([instance for instance, _ in taken], instances),
            np.array([box for _, box in taken.values()], np.float64).reshape(-1, 4),
            [self.annotations[index].get('category_id') for index, _ in taken.values()],
        )
        return self._without(
            rows, [self.places[image] for image in self.places.keys() & self.left_out.images]
        )

    def _box(self, image: dict[str, Any], bbox: Any, where: str) -> Box:
        check_lengths(image, where)
        box = corners(bbox, image['width'], image['height'], where)
        self.files.check_name(image['file_name'], where)
        return box

    def _check_annotation(self, record: Any, where: str) -> None:
        """Raise :class:`InputError` for a record that is no box of an object in an image."""
        check_keys(record, ANNOTATION_NEEDS, ANNOTATION_KEYS, where)
        for key in ('image_id', 'instance_id'):
            check_id(record, key, where)
        if record.get('category_id') is not None:
            check_id(record, 'category_id', where)
        where = _where(where, record)
        if record.get('iscrowd'):
            raise InputError(f'{where}: iscrowd is set; a crowd is not one object')
        if record['image_id'] not in self.places:
            near = near_id(record['image_id'], self.places)
            raise InputError(f'{where}: image_id {record["image_id"]!r} is not in images{near}')
        if record['bbox'] is None:
            raise InputError(
                f'{where}: bbox is null. Remove the record; if the image is known not to show the object, '
                'list it as "absent" of the image'
            )

    def _with_sound_files(self, rows: Boxes) -> Boxes:
        """The rows whose image files are as their records say."""
        faulty = []
        for image, error in faulty_files(
            self.path, self.content, self.files, rows, np.unique(rows.images).tolist()
        ):
            self.drop(error)
            faulty.append(image)
        return self._without(rows, faulty)

    def _without(self, rows: Boxes, images: Sequence[int]) -> Boxes:
        """The rows but those of some images, which are left out whole."""
        for image in images:
            for row in rows.of_image(image):
                self.left_out.add(rows.instance(row), self.images[image]['id'])
        return rows.without(images)

    def _absent(self, rows: Boxes, known: set[Any], check_images: bool) -> dict[Any, list[int]]:
        """Places of the images known not to show an object, by its id."""
        found: dict[Any, dict[int, None]] = defaultdict(dict)
        saying = [place for place in self.places.values() if 'absent' in self.images[place]]
        if saying:
            known = known | {said_id(each, 'id') for each in self._instances()}
        for image in saying:
            record = self.images[image]
            where = f'{self.path}: image id {record["id"]}'
            if record['id'] in self.left_out.images:
                continue
            try:
                for instance in self._listed_absent(rows, image, known, where):
                    check_lengths(record, where)
                    self.files.check_name(record['file_name'], where)
                    size = record['width'], record['height']
                    if check_images and (fault := self.files.fault(record['file_name'], *size)):
                        raise InputError(f'{where}: {fault}')
                    found[instance][image] = None
            except InputError as error:
                self.drop(error)
        return {instance: list(images) for instance, images in found.items()}

    def _listed_absent(self, rows: Boxes, image: int, known: set[Any], where: str) -> Iterator[Any]:
        """Objects that an image is said not to show."""
        listed = self.images[image]['absent']
        if not isinstance(listed, list):
            raise InputError(f'{where}: absent must be a list of instance ids, not {listed!r}')
        shown = {rows.instance(row) for row in rows.of_image(image)}
        for instance in listed:
            check_id({'absent': instance}, 'absent', where)
            if instance not in known:
                raise InputError(
                    f'{where}: absent names instance_id {instance!r}, which is nowhere else'
                    f'{near_id(instance, known)}'
                )
            if instance in shown:
                raise InputError(f'{where}: instance_id {instance} is absent, yet has a box')
            yield instance

    def _instances(self) -> list[dict[str, Any]]:
        """The objects that the file lists."""
        listed = record_list(self.content, 'instances', self.path) if self.content.get('instances') else []
        return [each for each in listed if isinstance(each, dict)]

    def _note_unlisted(self) -> None:
        """Note the objects of which the file does not list every box."""
        for index, each in enumerate(self._instances()):
            if 'absence' not in each:
                continue
            if (kind := each['absence']) != 'listed':
                raise InputError(
                    f"{self.path}: instances[{index}]: absence is 'listed' or left out, not {kind!r}"
                )
            self.left_out.add_unlisted(said_id(each, 'id'))

    def _check_spelling(self, part: str, records: Columns, key: str) -> None:
        """Refuse an id that is a number in one record and the same as text in another."""
        found = kinds(records[key])
        if str not in found or found == {str}:
            return
        values = [said_id(record, key) for record in records.records]
        texts = {value: index for index, value in enumerate(values) if isinstance(value, str)}
        for index, value in enumerate(values):
            if not isinstance(value, str) and (other := texts.get(str(value))) is not None:
                raise InputError(
                    f'{self.path}: {key} is {value} in {part}[{index}], and the text "{value}" in '
                    f'{part}[{other}]. These are two ids; write one of them'
                )
