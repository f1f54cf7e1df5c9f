"""DAVIS 2016 or 2017 to COCO JSON with instances; boxes come from the masks.

    python tools/dataset_converters/davis.py data/davis --split train

The folder holds JPEGImages/480p/<sequence>/00000.jpg, Annotations/480p/<sequence>/00000.png and
ImageSets/2017/train.txt (2016: ImageSets/480p/train.txt), as published. In 2017 the value of a
mask names the object and 255 none; in 2016 there is one object a sequence.
"""

import argparse
from pathlib import Path

import numpy as np
from mmengine.utils import ProgressBar

from focus_mmdet.cli import check_layout, run_cli
from focus_mmdet.datasets.coco_writer import CocoWriter
from focus_mmdet.datasets.masks import label_boxes, read_labels
from focus_mmdet.errors import InputError, check_number

LISTS = {'2016': 'ImageSets/480p', '2017': 'ImageSets/2017'}
VOID = 255


def sequences(source: Path, year: str, split: str) -> list[str]:
    """Names of a split's sequences, in the order of its list."""
    path = source / LISTS[year] / f'{split}.txt'
    if not path.is_file():
        known = ', '.join(sorted(other.stem for other in path.parent.glob('*.txt')))
        raise InputError(f'{path}: no such list; there are: {known or "none"}. Check --split and --year')
    lines = path.read_text(encoding='utf-8').split('\n')
    if year == '2016':
        # A line is a frame: /JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png
        return list(dict.fromkeys(Path(line.split()[0]).parent.name for line in lines if line.strip()))
    return [line.strip() for line in lines if line.strip()]


def add_sequence(source: Path, name: str, year: str, stride: int, writer: CocoWriter) -> None:
    """Write every ``stride``-th frame of a sequence."""
    frames = sorted((source / 'JPEGImages' / '480p' / name).glob('*.jpg'))[::stride]
    if not frames:
        writer.drop('video without frames', name)
        return
    if not writer.start_video(name):
        return
    seen: set[int] = set()
    for frame in frames:
        mask = source / 'Annotations' / '480p' / name / f'{frame.stem}.png'
        try:
            labels = read_labels(mask)
        except InputError:
            writer.drop('missing or unreadable mask', str(mask))
            continue
        add_frame(source, frame, labels if year == '2017' else (labels > 0).astype(np.int64), seen, writer)


def add_frame(source: Path, frame: Path, labels: np.ndarray, seen: set[int], writer: CocoWriter) -> None:
    """Write the boxes of a frame, and which objects of earlier frames it does not show."""
    boxes = label_boxes(labels, VOID)
    if not boxes and not seen:
        writer.drop('empty mask', str(frame))
        return
    height, width = labels.shape
    name = frame.relative_to(source).as_posix()
    if not writer.add_image_file(source, name, frame.stem, size=(width, height)):
        return
    for label, box in boxes.items():
        writer.add_box(f'{frame.parent.name}/{label}', box)
    for label in sorted(seen - boxes.keys()):
        writer.add_absent(f'{frame.parent.name}/{label}')
    seen.update(boxes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path, help='folder with JPEGImages, Annotations and ImageSets')
    parser.add_argument('--year', choices=sorted(LISTS), default='2017')
    parser.add_argument('--split', default='train', help='name of a list in ImageSets')
    parser.add_argument('--stride', type=int, default=1, help='write every so many-th frame')
    parser.add_argument('--out', type=Path, help='default: <split>.json in the source folder')
    args = parser.parse_args()
    check_number('--stride', args.stride, low=1, whole=True)
    check_layout(args.source, 'DAVIS', ('JPEGImages/480p', 'Annotations/480p', 'ImageSets'))
    names = sequences(args.source, args.year, args.split)
    progress = ProgressBar(len(names))
    with CocoWriter(args.out or args.source / f'{args.split}.json') as writer:
        for name in names:
            add_sequence(args.source, name, args.year, args.stride, writer)
            progress.update()
    print(f'\n{writer.report()}')


if __name__ == '__main__':
    run_cli(main)
