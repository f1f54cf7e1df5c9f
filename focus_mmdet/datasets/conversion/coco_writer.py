"""Write COCO JSON with instances as it comes: what every converter ends in."""

import json
import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from focus_mmdet.datasets.annotations.file_names import leaves
from focus_mmdet.datasets.conversion.drop_counter import DropCounter
from focus_mmdet.datasets.conversion.output_file import check_replaceable, whole_file
from focus_mmdet.datasets.episode import below_a_pixel
from focus_mmdet.errors import InputError

#: Boxes may overhang by this much (pixels), as annotation tools round.
SLACK = 1.0
#: How the files begin that are written here.
BEGINNING = r'\{"categories": .*\n"instances": '


class CocoWriter(DropCounter):
    """COCO JSON whose annotations name objects and whose images name videos.

    Records go to disk as they come; memory holds the frames of one video and
    the names of objects. ``path`` appears when the ``with`` block ends well,
    whole; after an error the file that was there before is untouched::

        with CocoWriter('data/x/train.json') as writer:
            writer.start_video('street')
            writer.add_image('street/0001.jpg', width=640, height=480, frame=1)
            writer.add_box('dog 3', (10, 20, 30, 40), category='dog')
            writer.add_absent('cat 1')
        print(writer.report())

    Args:
        path: The file to write. Its folder is created. A file that was not written here
            is never replaced (:class:`InputError`).
        objects_span_videos: One object may be in several videos, as in photo
            collections. In video datasets the second one is dropped.
        exhaustive: An object is in no video but those with its boxes. Where this is False,
            or a box of an object in another video was dropped, the file says of the object
            that only images that list it as absent lack it.
    """

    def __init__(self, path: str | Path, objects_span_videos: bool = False, exhaustive: bool = True) -> None:
        super().__init__()
        self.path = Path(path)
        self.objects_span_videos = objects_span_videos
        self.exhaustive = exhaustive
        self.kept: Counter[str] = Counter()
        self.clipped = 0
        self._first_clipped = ''
        self._videos: set[str] = set()
        self._video = ''
        self._frames: set[int | str] = set()
        self._files: set[str] = set()
        self._objects: dict[Hashable, int] = {}
        self._home: dict[Hashable, str] = {}
        self._lost: set[tuple[Hashable, str]] = set()
        self._categories: dict[str, int] = {}
        self._image: dict[str, Any] | None = None
        self._waiting: list[dict[str, Any]] = []
        self._in_image: set[Hashable] = set()
        self._lost_in_image: set[Hashable] = set()

    def __enter__(self) -> 'CocoWriter':
        check_replaceable(self.path, BEGINNING)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._images = self._aside()
            self._annotations = self._aside()
        except OSError as error:
            raise InputError(f'{self.path}: cannot be written ({error}). Choose another --out') from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._images.close()
            self._annotations.close()

    def start_video(self, name: str) -> bool:
        """Begin a video (or one photograph's scene); False where it is dropped.

        Videos come one after the other: a name that was begun before is
        dropped whole.
        """
        self._end_video()
        if name in self._videos:
            self.drop('video named twice', name)
            return False
        self._videos.add(name)
        self._video, self._frames, self._files = name, set(), set()
        return True

    def add_image(self, file_name: str, width: int, height: int, frame: int | str) -> bool:
        """Begin an image of the current video; False where it is dropped.

        Args:
            file_name: Relative to the dataset's image folder, with ``/``.
            width: In pixels, as the image is seen (after its EXIF tag).
            height: The same.
            frame: Number or name that orders the video's frames.
        """
        self._flush_image()
        if frame in self._frames or file_name in self._files:
            self.drop(f'{"frame" if frame in self._frames else "file"} twice in a video', file_name)
            self._forget_absences(file_name, frame)
            return False
        if width <= 0 or height <= 0:
            self.drop('image without a size', file_name)
            return False
        self._files.add(file_name)
        self.kept['videos'] += not self._frames
        self._frames.add(frame)
        self.kept['images'] += 1
        self._in_image, self._lost_in_image = set(), set()
        self._image = dict(
            id=self.kept['images'],
            file_name=file_name,
            width=int(width),
            height=int(height),
            video_id=self._video,
            frame_id=frame,
        )
        return True

    def add_image_file(
        self, root: str | Path, file_name: str, frame: int | str, size: tuple[int, int] | None = None
    ) -> bool:
        """As :meth:`add_image`, with the size that the file itself has.

        Args:
            root: The dataset's image folder.
            file_name: Relative to it.
            frame: Number or name that orders the video's frames.
            size: (width, height) that the annotations speak of, if they say so;
                a file of another size is dropped.
        """
        self._flush_image()
        path = Path(root) / file_name
        if leaves(file_name, root):
            self.drop('file_name that leaves the image folder', file_name)
            return False
        # Every header is read: what the reader of the result would refuse is not written.
        real = self.image_size(path)
        if real is None:
            return False
        if size not in (None, real):
            self.drop('image of another size than annotated', f'{path} ({real}, not {size})')
            return False
        return self.add_image(file_name, *real, frame)

    def add_box(self, instance: Hashable, bbox: Sequence[float], category: str | None = None) -> bool:
        """The box of an object in the current image; False where it is dropped.

        Args:
            instance: Names the object, unique in the whole dataset.
            bbox: (x, y, width, height) in pixels; clipped to the image, and
                counted where it overhangs by more than a pixel.
            category: Name of its class, None where it is not known: objects of one
                class look alike.
        """
        image = self._current(instance)
        box = _clipped(bbox, image['width'], image['height'])
        reason = self._refusal(instance, box)
        if reason or isinstance(box, str):
            self.drop(reason or str(box), f'{image["file_name"]} (object {instance}, box {bbox})')
            self._lose(instance)
            return False
        if overhang(bbox, image['width'], image['height']) > SLACK:
            self.clipped += 1
            self._first_clipped = (
                self._first_clipped or f'{image["file_name"]} (object {instance}, box {bbox})'
            )
        self._in_image.add(instance)
        self._home[instance] = self._video
        self.kept['annotations'] += 1
        record: dict[str, Any] = dict(
            id=self.kept['annotations'],
            image_id=image['id'],
            instance_id=self._objects.setdefault(instance, len(self._objects) + 1),
            bbox=[round(value, 2) for value in box],
            area=round(box[2] * box[3], 2),
            iscrowd=0,
        )
        if category is not None:
            record['category_id'] = self._categories.setdefault(category, len(self._categories) + 1)
        self._write(self._annotations, record)
        return True

    def add_absent(self, instance: Hashable) -> None:
        """Say that the current image is known not to show an object.

        Only such images may serve as queries without a target. Counted as dropped
        where the object has a box in the image, or none in its video or, where objects
        span videos, anywhere.
        """
        image = self._current(instance)
        if instance in self._in_image | self._lost_in_image:
            self.drop('absent, yet with a box in the image', f'{image["file_name"]} (object {instance})')
        elif instance not in image.setdefault('absent', []):
            image['absent'].append(instance)

    def report(self) -> str:
        """What was kept, and what was dropped with its reason and first example."""
        kept = (
            f'{self.path}: {len(self._home)} objects in {self.kept["videos"]} videos, '
            f'{self.kept["images"]} images, {self.kept["annotations"]} boxes'
        )
        clipped = f'  clipped {self.clipped} times: box beyond its image; the first: {self._first_clipped}'
        return '\n'.join([kept, *[clipped] * bool(self.clipped), *self.drop_lines()])

    def _current(self, instance: Hashable) -> dict[str, Any]:
        if self._image is None:
            raise RuntimeError(f'object {instance}: no image was begun')
        return self._image

    def _refusal(self, instance: Hashable, box: list[float] | str) -> str | None:
        if isinstance(box, str):
            return box
        if instance in (self._image or {}).get('absent', []):
            return 'box of an object that is absent from the image'
        if instance in self._in_image:
            return 'two boxes of one object in an image'
        if not self.objects_span_videos and self._home.get(instance, self._video) != self._video:
            return 'object id in two videos'
        return None

    def _lose(self, instance: Hashable) -> None:
        """Note that the current image may show an object without a box that says so."""
        if instance in self._in_image:
            return
        self._lost.add((instance, self._video))
        self._lost_in_image.add(instance)
        if self._image and instance in self._image.get('absent', []):
            self._image['absent'].remove(instance)

    def _forget_absences(self, file_name: str, frame: int | str) -> None:
        """Take back what an image is known not to show: another record of it may say otherwise."""
        for image in self._waiting:
            if image['file_name'] == file_name or image['frame_id'] == frame:
                image.pop('absent', None)

    def _unlisted(self) -> set[Hashable]:
        """Objects that may be in images of other videos without a box there."""
        if not self.exhaustive:
            return set(self._objects)
        return {
            instance
            for instance, video in self._lost
            if self.objects_span_videos or self._home.get(instance) != video
        }

    def _aside(self) -> TextIO:
        return tempfile.TemporaryFile('w+', encoding='utf-8', dir=self.path.parent)

    @staticmethod
    def _write(file: TextIO, record: dict[str, Any]) -> None:
        file.write(',\n' if file.tell() else '\n')
        json.dump(record, file)

    def _flush_image(self) -> None:
        if self._image is not None:
            self._waiting.append(self._image)
        self._image = None

    def _end_video(self) -> None:
        """Write the images of a video, now that its objects are known."""
        self._flush_image()
        for image in self._waiting:
            if known := self._known(image.pop('absent', []), image['file_name']):
                image['absent'] = known
            self._write(self._images, image)
        self._waiting = []

    def _known(self, absent: list[Hashable], file_name: str) -> list[int]:
        """Numbers of the absent objects that may have boxes beside this image."""
        numbers = []
        for instance in absent:
            if self.objects_span_videos or self._home.get(instance) == self._video:
                numbers.append(self._objects.setdefault(instance, len(self._objects) + 1))
            else:
                self.drop('absent, and without a box in the video', f'{file_name} (object {instance})')
        return numbers

    def _finish(self) -> None:
        self._end_video()
        if not self.kept['annotations']:
            raise InputError(f'{self.report()}\nnothing is left to write. Check the folder and the split')
        categories = [dict(id=number, name=name) for name, number in self._categories.items()]
        unlisted = self._unlisted()
        instances = [
            dict(id=number, name=str(name), **({'absence': 'listed'} if name in unlisted else {}))
            for name, number in self._objects.items()
            if name in self._home
        ]
        self._forget_boxless()
        with whole_file(self.path) as file:
            file.write(f'{{"categories": {json.dumps(categories)},\n"instances": {json.dumps(instances)}')
            for name, part in (('images', self._images), ('annotations', self._annotations)):
                file.write(f',\n"{name}": [')
                part.seek(0)
                shutil.copyfileobj(part, file)
                file.write('\n]')
            file.write('}\n')

    def _forget_boxless(self) -> None:
        """Drop absences of objects that have no box anywhere: nothing can be asked for by them."""
        boxless = {number: name for name, number in self._objects.items() if name not in self._home}
        if not boxless:
            return
        with self._images as written:
            self._images = self._aside()
            written.seek(0)
            for line in written:
                if not line.strip():
                    continue
                image = json.loads(line.rstrip().removesuffix(','))
                absent = image.pop('absent', [])
                for number in boxless.keys() & set(absent):
                    where = f'{image["file_name"]} (object {boxless[number]})'
                    self.drop('absent, and without a box anywhere', where)
                if left := [number for number in absent if number not in boxless]:
                    image['absent'] = left
                self._write(self._images, image)


def overhang(bbox: Sequence[float], width: int, height: int) -> float:
    """By how many pixels a box (x, y, width, height) leaves its image; negative inside."""
    x, y, w, h = bbox
    return max(-x, -y, x + w - width, y + h - height)


def _clipped(bbox: Sequence[float], width: int, height: int) -> list[float] | str:
    """(x, y, w, h) inside the image, or why there is none."""
    numbers = isinstance(bbox, Collection) and all(
        isinstance(value, Real) and not isinstance(value, bool) for value in bbox
    )
    if not numbers or len(bbox) != 4 or not all(map(math.isfinite, bbox)):
        return 'box that is not four finite numbers'
    x, y, w, h = bbox
    if w <= 0 or h <= 0:
        return 'empty box'
    left, top, right, bottom = max(x, 0.0), max(y, 0.0), min(x + w, width), min(y + h, height)
    if right <= left or bottom <= top:
        return 'box outside its image'
    if fault := below_a_pixel(bbox, right - left, bottom - top):
        return f'box that {fault}'
    return [left, top, right - left, bottom - top]
