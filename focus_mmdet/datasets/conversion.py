"""What the converters share: arguments, label files, frames.

The converter of a video dataset lists its videos and gives the frames of each;
here they are written.
"""

import argparse
import sys
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mmengine.utils import track_iter_progress

from focus_mmdet.cli import check_folder
from focus_mmdet.datasets.coco_writer import CocoWriter
from focus_mmdet.datasets.drop_counter import is_file
from focus_mmdet.errors import InputError, check_number

Item = TypeVar('Item')


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


def argument_parser(
    description: str, splits: Sequence[str] = (), stride: int | None = None, out: str = '{split}.json'
) -> argparse.ArgumentParser:
    """The options that converters share.

    Args:
        description: The converter's docstring.
        splits: Names that the dataset gives to its parts, the first is the
            default; without them there is no ``--split``.
        stride: Default of ``--stride``; without it there is no such option.
        out: Default of ``--out`` inside the dataset's folder; names options in braces.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path, help='the folder of the dataset')
    if splits:
        parser.add_argument('--split', choices=splits, default=splits[0], help='default: %(default)s')
    if stride is not None:
        parser.add_argument(
            '--stride', type=int, default=stride, help='keep every N-th annotated frame; default: %(default)s'
        )
    shown = out.replace('{', '<').replace('}', '>')
    parser.add_argument('--out', type=Path, help=f'the file to write; default: SOURCE/{shown}')
    parser.set_defaults(out_pattern=out)
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The checked command line.

    Raises:
        InputError: A stride below 1, no such folder, or no place for ``--out``.
    """
    args = parser.parse_args()
    if 'stride' in args:
        check_number('--stride', args.stride, low=1, whole=True)
    require(args.source, 'Give the folder of the dataset')
    args.out = args.out or args.source / args.out_pattern.format_map(vars(args))
    check_folder('--out', args.out.parent)
    if args.out.is_dir():
        raise InputError(f'--out {args.out}: is a folder; give the name of a file')
    return args


def require(path: Path, expected: str) -> Path:
    """``path``, or :class:`InputError` with what was expected where there is none."""
    if not path.exists():
        raise InputError(f'{path} does not exist. {expected}')
    return path


def progress(items: Sequence[Item]) -> Iterator[Item]:
    """``items`` under a bar on stderr."""
    return track_iter_progress(items, file=sys.stderr)


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
