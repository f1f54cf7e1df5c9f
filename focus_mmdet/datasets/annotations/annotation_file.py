"""Read and check annotation files: COCO JSON with instances, and manifests.

Everything that can be known before training starts is checked here, and each
problem is named with its file and record.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from focus_mmdet.datasets.annotations.coco import CocoReader, faulty_files, record_list
from focus_mmdet.datasets.annotations.image_files import ImageFiles
from focus_mmdet.datasets.annotations.records import check_keys, check_lengths, corners
from focus_mmdet.datasets.annotations.tracks import Tracks, frame_number
from focus_mmdet.datasets.episode import ABSENT_KINDS, Episode, Frame
from focus_mmdet.errors import InputError
from focus_mmdet.shipped import about_missing_data

_FRAME_NEEDS = frozenset({'file_name', 'width', 'height', 'bbox'})
_FRAME_KEYS = _FRAME_NEEDS | {'video_id', 'frame_id', 'distractors', 'look_alikes', 'absent_kind'}
_EPISODE_KEYS = frozenset({'id', 'supports', 'query', 'instance_id'})


def read_json(path: str) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        InputError: No such file, not JSON, or not an object.
    """
    return _parsed(_read(path), path)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        raise InputError(f'{path}: no such annotation file. {about_missing_data(path)}') from None


def _parsed(text: bytes, path: str) -> dict[str, Any]:
    try:
        content = json.loads(text.decode('utf-8-sig'))
    except UnicodeDecodeError:
        raise InputError(f'{path}: not UTF-8 text; save it as UTF-8') from None
    except (RecursionError, ValueError) as error:
        raise InputError(f'{path}: not valid JSON ({error})') from None
    if not isinstance(content, dict):
        raise InputError(f'{path}: the top level must be a JSON object')
    return content


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
        self.drop_bad = drop_bad
        self.files = ImageFiles(image_root, data_root, allow_outside)
        self.dropped: list[str] = []
        text = _read(path)
        #: Of the file's bytes.
        self.digest = blake2b(text).hexdigest()
        self.content = _parsed(text, path)

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
        for index, record in enumerate(record_list(self.content, 'episodes', self.path)):
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
        frame = self._frame(record, where)
        boxes = tuple(corners(bbox, frame.width, frame.height, f'{where} distractors') for bbox in others)
        # A manifest says only who is alike, not of which class.
        return replace(
            frame,
            category='target',
            others=boxes,
            classes=tuple('target' if flag else None for flag in alike),
            absent_kind=kind,
        )

    def tracks(self, check_images: bool = True) -> Tracks:
        """The objects of a COCO file, by ``instance_id``, checked.

        Args:
            check_images: Read the headers of all images; otherwise that is left to :meth:`are_sound`.
        """
        self.dropped.clear()
        return CocoReader(self.path, self.content, self.files, self.drop).tracks(check_images)

    def are_sound(self, tracks: Tracks, images: Sequence[int]) -> bool:
        """Whether some image files are what their records say.

        Args:
            tracks: What :meth:`tracks` gave last.
            images: By their places in the file's list.

        Raises:
            InputError: One is not, where bad records are not dropped.
        """
        for _, error in faulty_files(self.path, self.content, self.files, tracks.rows, images):
            if not self.drop_bad:
                raise error
            return False
        return True

    def _frame(self, record: dict[str, Any], where: str) -> Frame:
        """Check a listed frame and its image file; its ``bbox`` is (x, y, w, h) in pixels, or None."""
        check_lengths(record, where)
        width, height, name = record['width'], record['height'], record['file_name']
        box = None if record['bbox'] is None else corners(record['bbox'], width, height, where)
        self.files.check_name(name, where)
        if fault := self.files.fault(name, width, height):
            raise InputError(f'{where}: {fault}')
        path, video = self.files.path(name), record.get('video_id')
        return Frame(path, width, height, box, video=video, number=frame_number(record))
