"""MOTChallenge (MOT16, MOT17, MOT20, and what has its layout, as DanceTrack) in COCO JSON with instances.

    python tools/dataset_converters/mot.py data/mot --split train

reads train/<sequence>/{seqinfo.ini,gt/gt.txt,img1/000001.jpg} and writes train.json, its images relative to
the dataset's folder. Only entries that are to be considered (flag 1) and of class 1, pedestrian, are kept.
The boxes go on behind occluders and outside the image: entries of visibility 0, of which nothing is seen, are
dropped, and boxes that overhang the image are clipped.
MOT17 has every sequence three times, once per detector (-DPM, -FRCNN, -SDP): the first one is kept. The
default stride keeps about one frame a second.
"""

import configparser
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.conversion.arguments import argument_parser, parse
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.conversion.videos import UnusableVideoError, VideoFrame, add_video
from focus_mmdet.errors import InputError
from focus_mmdet.progress import progress

Box = tuple[str, tuple[float, ...], str]


class SequenceInfo(NamedTuple):
    """What seqinfo.ini says: the image folder, its files' ending, frames, and (width, height) in pixels."""

    images: str
    extension: str
    length: int
    size: tuple[int, int]


def read_info(folder: Path) -> SequenceInfo:
    """seqinfo.ini of a sequence.

    Raises:
        UnusableVideoError: Missing, or not as expected.
    """
    path = folder / 'seqinfo.ini'
    info = configparser.ConfigParser(interpolation=None)
    try:
        info.read(path, encoding='utf-8')
        part = info['Sequence']
        size = (int(part['imWidth']), int(part['imHeight']))
        length = int(part['seqLength'])
    except (configparser.Error, KeyError, ValueError) as error:
        raise UnusableVideoError('unreadable seqinfo.ini', f'{path} ({error})') from None
    return SequenceInfo(part.get('imDir', 'img1'), part.get('imExt', '.jpg'), length, size)


def whole(text: str) -> int:
    """A whole number, which may be written as ``1.0``.

    Raises:
        ValueError: Anything else.
    """
    number = float(text)
    if not number.is_integer():
        raise ValueError(f'{text} is no whole number')
    return int(number)


def read_boxes(path: Path, info: SequenceInfo, stride: int, writer: CocoWriter) -> dict[int, list[Box]]:
    """Boxes of every ``stride``-th frame, by frame.

    Object names hold the sequence, because ids start anew in each.

    Raises:
        UnusableVideoError: No such file.
    """
    sequence = path.parent.parent.name
    if not path.is_file():
        raise UnusableVideoError('missing label file', str(path))
    boxes: dict[int, list[Box]] = defaultdict(list)
    with open(path, encoding='utf-8', errors='replace') as lines:
        for number, line in enumerate(lines, start=1):
            where = f'{path}:{number}'
            try:
                values = line.split(',')
                x, y, w, h = map(float, values[2:6])
                frame, track, flag, kind = (whole(values[place]) for place in (0, 1, 6, 7))
                visibility = float(values[8]) if len(values) > 8 else 1.0
            except (ValueError, IndexError, OverflowError):
                writer.drop('line that is not numbers', where)
                continue
            if not 1 <= frame <= info.length:
                writer.drop('entry beyond the end of its sequence', where)
            elif (frame - 1) % stride:
                continue
            elif not flag:
                writer.drop('entry that is not to be considered', where)
            elif kind != 1:
                writer.drop('entry that is no pedestrian', f'{where} (class {kind})')
            elif visibility <= 0:
                writer.drop('entry of visibility 0', where)
            else:
                # The first pixel is 1 in these files.
                boxes[frame].append((f'{sequence}/{track}', (x - 1, y - 1, w, h), 'pedestrian'))
    return boxes


def read_sequence(folder: Path, stride: int, writer: CocoWriter) -> Iterator[VideoFrame]:
    """Every ``stride``-th frame of a sequence.

    Raises:
        UnusableVideoError: Files that are missing or cannot be read.
    """
    info = read_info(folder)
    boxes = read_boxes(folder / 'gt' / 'gt.txt', info, stride, writer)
    names = frame_names(folder / info.images, info)
    last = max(names, default=0)
    if last < info.length:
        writer.drop('sequence of fewer images than its length', f'{folder} ({last}, not {info.length})')
    for number in range(1, min(last, info.length) + 1, stride):
        name = names.get(number, f'{number:06d}{info.extension}')
        yield VideoFrame(
            file_name=f'{folder.parent.name}/{folder.name}/{info.images}/{name}',
            number=number,
            boxes=boxes.get(number, []),
            size=info.size,
        )


def frame_names(folder: Path, info: SequenceInfo) -> dict[int, str]:
    """File names by frame number: six digits in MOTChallenge, eight in DanceTrack.

    Raises:
        UnusableVideoError: A frame that the sequence should not have, so that its
            frames may be counted otherwise.
    """
    paths = sorted(path for path in folder.glob('*') if path.name.endswith(info.extension))
    names = {int(path.stem): path.name for path in paths if path.stem.isdecimal()}
    if extra := [name for number, name in names.items() if not 1 <= number <= info.length]:
        raise UnusableVideoError('image that no label asks for', str(folder / extra[0]))
    return names


def find_sequences(source: Path, split: str) -> list[Path]:
    """Folders of the sequences that have ground truth in some place."""
    folders = sorted(path.parent for path in (source / split).glob('*/seqinfo.ini'))
    if not folders:
        raise InputError(
            f'{source / split}: no sequence. Expected MOTChallenge: {split}/MOT17-02-FRCNN/seqinfo.ini, '
            f'{split}/MOT17-02-FRCNN/gt/gt.txt, {split}/MOT17-02-FRCNN/img1/000001.jpg, ...'
        )
    if not any((folder / 'gt' / 'gt.txt').is_file() for folder in folders):
        raise InputError(f'{source / split}: no gt/gt.txt. The boxes of the test sequences are not published')
    return folders


def main() -> None:
    args = parse(argument_parser(__doc__ or '', ('train', 'val', 'test'), stride=30))
    folders = find_sequences(args.source, args.split)
    scenes = set()
    with CocoWriter(args.out) as writer:
        for folder in progress(folders):
            scene = re.sub('-(DPM|FRCNN|SDP)$', '', folder.name)
            if scene in scenes:
                writer.drop('sequence again under another detector', folder.name)
                continue
            scenes.add(scene)
            frames = read_sequence(folder, args.stride, writer)
            add_video(writer, args.source, f'{args.split}/{folder.name}', frames)
    print(writer.report())


if __name__ == '__main__':
    run_cli(main)
