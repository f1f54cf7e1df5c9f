"""Videos with label files.

The converter of a video dataset lists its videos and gives the frames of each;
here they are written.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.conversion.drop_counter import is_file
from focus_mmdet.errors import InputError


class UnusableVideoError(Exception):
    """A video that is left out.

    Args:
        reason: Counted, so the same words for the same fault.
        record: Names the video or its file.
    """

    def __init__(self, reason: str, record: str) -> None:
        super().__init__(f'{reason}: {record}')
        self.reason = reason
        self.record = record


@dataclass(frozen=True)
class VideoFrame:
    """What a dataset says of one frame.

    Attributes:
        file_name: Relative to the image folder, with ``/``.
        number: Orders the frames of a video.
        boxes: Object, (x, y, width, height) in pixels and category (None: not known), each.
        absent: Objects that the frame is known not to show.
        size: (width, height) that the annotations claim, None where they don't.
    """

    file_name: str
    number: int
    boxes: Sequence[tuple[Hashable, Sequence[float], str | None]] = ()
    absent: Sequence[Hashable] = ()
    size: tuple[int, int] | None = None


def read_rows(path: Path) -> list[list[float]]:
    """Numbers of a label file, one list a line; commas, blanks and tabs separate.

    Raises:
        UnusableVideoError: No such file, or something that is no number.
    """
    if not is_file(path):
        raise UnusableVideoError('missing label file', str(path))
    lines = path.read_text(encoding='utf-8-sig', errors='replace').splitlines()
    rows = []
    for index, line in enumerate(lines, start=1):
        try:
            rows.append([float(value) for value in line.replace(',', ' ').split()])
        except ValueError:
            raise UnusableVideoError('label that is no number', f'{path}:{index}') from None
    return [row for row in rows if row]


def read_lines(path: Path) -> list[str]:
    """Lines of a list of names that are not blank, stripped.

    Raises:
        InputError: It cannot be read as UTF-8, or holds no line.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding='utf-8-sig').splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'{path}: cannot be read as a list in UTF-8 ({error})') from error
    if not any(lines):
        raise InputError(f'{path}: the list is empty')
    return [line for line in lines if line]


def read_flags(path: Path) -> list[float]:
    """As :func:`read_rows`, one number a frame, in one line or in many."""
    return [value for row in read_rows(path) for value in row]


def check_values(path: Path, values: Sequence[float], high: int) -> None:
    """Raise :class:`UnusableVideoError` unless flags are whole numbers of 0 to ``high``."""
    if odd := [value for value in values if value not in range(high + 1)]:
        raise UnusableVideoError(f'flag that is not 0 to {high}', f'{path} ({odd[0]:g})')


def check_lengths(video: str, images: Path, **labels: Sequence[object]) -> None:
    """Raise :class:`UnusableVideoError` unless every frame has its labels.

    Args:
        video: For the message.
        images: Folder with the frames, JPEG, named 00000001.jpg and on. A frame
            that is missing leaves the others where they are, but one that no
            label asks for says that frames are counted otherwise.
        **labels: One entry a frame, by the name of the file.
    """
    lengths = {name: len(values) for name, values in labels.items()}
    names = {path.name for path in images.glob('*.jpg')}
    count = len(names)
    if len(set(lengths.values())) > 1 or count > min(lengths.values()):
        shown = ', '.join(f'{name} {length}' for name, length in [*lengths.items(), ('images', count)])
        raise UnusableVideoError('labels and frames of unequal number', f'{video} ({shown})')
    if extra := sorted(names - {frame_name(number) for number in range(1, min(lengths.values()) + 1)}):
        raise UnusableVideoError('image that no label asks for', str(images / extra[0]))


def frame_name(number: int) -> str:
    """The file of a frame in LaSOT and GOT-10k, which count from 1."""
    return f'{number:08d}.jpg'


def add_video(writer: CocoWriter, root: Path, name: str, frames: Iterable[VideoFrame]) -> None:
    """Write a video, or count why it is left out.

    Args:
        writer: Where to.
        root: The image folder.
        name: Unique in the dataset.
        frames: In any order; may raise :class:`UnusableVideoError`.
    """
    if not writer.start_video(name):
        return
    try:
        listed = list(frames)
    except UnusableVideoError as error:
        writer.drop(error.reason, error.record)
        return
    except OSError as error:
        writer.drop('video whose files cannot be read', f'{name} ({error})')
        return
    if not any(frame.boxes for frame in listed):
        writer.drop('video without boxes' if listed else 'video without usable frames', name)
        return
    for frame in listed:
        if writer.add_image_file(root, frame.file_name, frame.number, frame.size):
            for instance, bbox, category in frame.boxes:
                writer.add_box(instance, bbox, category)
            for instance in frame.absent:
                writer.add_absent(instance)
