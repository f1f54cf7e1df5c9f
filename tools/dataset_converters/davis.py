"""DAVIS 2016 or 2017 to COCO JSON with instances; boxes come from the masks.

    python tools/dataset_converters/davis.py data/davis --split train

The folder holds JPEGImages/480p/<sequence>/00000.jpg, Annotations/480p/<sequence>/00000.png and
ImageSets/2017/train.txt (2016: ImageSets/480p/train.txt), as published. In 2017 the value of a
mask names the object and 255 none; in 2016 there is one object a sequence.
"""

from collections.abc import Iterator
from pathlib import Path

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.annotations.natural_order import natural_order
from focus_mmdet.datasets.conversion.arguments import argument_parser, parse, require
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.conversion.masks import Box, label_boxes, mask_box, read_labels, read_mask
from focus_mmdet.datasets.conversion.videos import VideoFrame, add_video, read_lines
from focus_mmdet.errors import InputError
from focus_mmdet.progress import progress

EXPECTED = 'Expected DAVIS: JPEGImages/480p/<sequence>, Annotations/480p/<sequence>, ImageSets'
LISTS = {'2016': 'ImageSets/480p', '2017': 'ImageSets/2017'}
VOID = 255


def sequences(source: Path, year: str, split: str) -> list[str]:
    """Names of a split's sequences, in the order of its list."""
    path = source / LISTS[year] / f'{split}.txt'
    if not path.is_file():
        known = ', '.join(sorted(other.stem for other in path.parent.glob('*.txt')))
        raise InputError(f'{path}: no such list; there are: {known or "none"}. Check --split and --year')
    lines = read_lines(path)
    if year == '2016':
        # A line is a frame: /JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png
        lines = list(dict.fromkeys(Path(line.split()[0]).parent.name for line in lines))
    for number, name in enumerate(lines, start=1):
        if not name or name != Path(name).name:
            example = '/JPEGImages/480p/bear/00000.jpg' if year == '2016' else 'bear'
            raise InputError(f'{path}: entry {number} is {name!r}; --year {year} expects such as {example}')
    return lines


def read_boxes(path: Path, year: str) -> tuple[dict[int, Box], tuple[int, int], bool]:
    """Boxes of a mask by object, its (width, height) in pixels, and whether it leaves pixels open.

    Raises:
        InputError: Missing, unreadable, or of 2017 and in colours.
    """
    if year == '2017':
        labels = read_labels(path)
        return label_boxes(labels, VOID), labels.shape[::-1], bool((labels == VOID).any())
    shown = read_mask(path)
    box = mask_box(shown)
    return {1: box} if box else {}, shown.shape[::-1], False


def read_sequence(
    source: Path, name: str, year: str, stride: int, writer: CocoWriter
) -> Iterator[VideoFrame]:
    """Every ``stride``-th frame of a sequence, and which objects of earlier frames it does not show."""
    folder = source / 'JPEGImages' / '480p' / name
    frames = sorted(folder.glob('*.jpg'), key=lambda path: natural_order(path.stem))
    seen: set[int] = set()
    for number in range(0, len(frames), stride):
        mask = source / 'Annotations' / '480p' / name / f'{frames[number].stem}.png'
        try:
            boxes, size, is_open = read_boxes(mask, year)
        except InputError as error:
            writer.drop('missing or unreadable mask', str(error))
            continue
        if not boxes and not seen:
            writer.drop('empty mask', str(mask))
            continue
        yield VideoFrame(
            file_name=frames[number].relative_to(source).as_posix(),
            number=number,
            boxes=[(f'{name}/{label}', box, None) for label, box in boxes.items()],
            # An object may be among the pixels that are left open.
            absent=[] if is_open else [f'{name}/{label}' for label in sorted(seen - boxes.keys())],
            size=size,
        )
        seen.update(boxes)


def main() -> None:
    parser = argument_parser(__doc__ or '', stride=1)
    parser.add_argument('--year', choices=sorted(LISTS), default='2017', help='default: %(default)s')
    parser.add_argument('--split', default='train', help='name of a list in ImageSets; default: %(default)s')
    args = parse(parser)
    for part in ('JPEGImages/480p', 'Annotations/480p', 'ImageSets'):
        require(args.source / part, EXPECTED)
    names = sequences(args.source, args.year, args.split)
    with CocoWriter(args.out) as writer:
        for name in progress(names):
            frames = read_sequence(args.source, name, args.year, args.stride, writer)
            add_video(writer, args.source, name, frames)
    print(writer.report())


if __name__ == '__main__':
    run_cli(main)
