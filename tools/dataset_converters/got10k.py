"""GOT-10k in COCO JSON with instances.

    python tools/dataset_converters/got10k.py data/got10k --split train

reads train/list.txt and train/GOT-10k_Train_000001/{groundtruth.txt,absence.label,cover.label,meta_info.ini,
00000001.jpg} and writes train.json, its images relative to the dataset's folder. Frames are annotated at
10 Hz; the default stride keeps one a second.

cover.label holds how much of the object is seen, 0 to 8: 0 %, up to 15, 30, 45, 60, 75, 90 %, less than
100 %, 100 %. Frames that are marked absent or of cover 0 are recorded as not showing the object.
"""

import configparser
from collections.abc import Iterator
from pathlib import Path

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.conversion.arguments import argument_parser, parse, require
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.conversion.videos import (
    VideoFrame,
    add_video,
    check_lengths,
    check_values,
    frame_name,
    read_flags,
    read_lines,
    read_rows,
)
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.progress import progress

EXPECTED = 'Expected GOT-10k: train/list.txt, train/GOT-10k_Train_000001/groundtruth.txt, ...'


def read_category(path: Path) -> str | None:
    """The object's class from meta_info.ini, None where it says none."""
    meta = configparser.ConfigParser(interpolation=None)
    try:
        meta.read(path, encoding='utf-8')
    except (configparser.Error, UnicodeDecodeError):
        return None
    return meta.get('METAINFO', 'object_class', fallback='') or None


def read_sequence(folder: Path, stride: int, min_cover: int, writer: CocoWriter) -> Iterator[VideoFrame]:
    """Every ``stride``-th frame; boxes that show less than ``min_cover`` are dropped.

    Raises:
        UnusableVideoError: Label files that are missing or don't fit.
    """
    boxes = read_rows(folder / 'groundtruth.txt')
    absence = read_flags(folder / 'absence.label')
    cover = read_flags(folder / 'cover.label')
    check_lengths(folder.name, folder, groundtruth=boxes, absence=absence, cover=cover)
    check_values(folder / 'absence.label', absence, 1)
    check_values(folder / 'cover.label', cover, 8)
    category = read_category(folder / 'meta_info.ini')
    for index in range(0, len(boxes), stride):
        file_name = f'{folder.parent.name}/{folder.name}/{frame_name(index + 1)}'
        hidden = absence[index] or cover[index] == 0
        covered = not hidden and cover[index] < min_cover
        if covered:
            writer.drop('box of less than --min-cover', f'{file_name} (cover {cover[index]:g})')
        yield VideoFrame(
            file_name=file_name,
            number=index + 1,
            boxes=[] if hidden or covered else [(folder.name, boxes[index], category)],
            absent=[folder.name] if hidden else [],
        )


def main() -> None:
    parser = argument_parser(__doc__ or '', ('train', 'val', 'test'), stride=10)
    parser.add_argument('--min-cover', type=int, default=1, help='1 to 8, see above; default: %(default)s')
    args = parse(parser)
    check_number('--min-cover', args.min_cover, low=1, high=8, whole=True)
    if args.split == 'test':
        raise InputError('--split test: GOT-10k publishes only the first box of its test videos. Test on val')
    listed = require(args.source / args.split / 'list.txt', EXPECTED)
    names = read_lines(listed)
    with CocoWriter(args.out) as writer:
        for name in progress(names):
            frames = read_sequence(args.source / args.split / name, args.stride, args.min_cover, writer)
            add_video(writer, args.source, f'{args.split}/{name}', frames)
    print(writer.report())


if __name__ == '__main__':
    run_cli(main)
