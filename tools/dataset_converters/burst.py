"""BURST to COCO JSON with instances; boxes come from the masks. PDM and PerMIRS are made of it.

    python tools/dataset_converters/burst.py data/burst --split test --same-class

The folder holds annotations/<split>/all_classes.json as published, and TAO's frames as
frames/<split>/<dataset>/<sequence>/<frame>. With --same-class only objects beside another of
their class are written, as in PerMIRS. Needs ijson (the extra "converters" of setup.py).
"""

from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from typing import Any

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.conversion.arguments import argument_parser, parse, require
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.conversion.json_records import read_names, stream_records, usable
from focus_mmdet.datasets.conversion.masks import Box, rle_box
from focus_mmdet.datasets.conversion.videos import UnusableVideoError, VideoFrame, add_video

EXPECTED = 'Expected BURST: annotations/<split>/all_classes.json with sequences, categories; frames/<split>'
FIELDS = dict(
    dataset=str, seq_name=str, width=int, height=int,
    annotated_image_paths=list, segmentations=list, track_category_ids=dict,
)  # fmt: skip


def read_box(mask: dict[str, Any], size: tuple[int, int], where: str, writer: CocoWriter) -> Box | None:
    """The box of a mask in pixels; None where it is dropped."""
    try:
        box = rle_box(mask['rle'], *size)
    except (KeyError, TypeError, ValueError):
        writer.drop('broken mask', where)
        return None
    if box is None:
        writer.drop('empty mask', where)
    return box


def read_sequence(
    record: dict[str, Any], names: dict[int, str], args: Namespace, writer: CocoWriter
) -> Iterator[VideoFrame]:
    """Every ``args.stride``-th annotated frame of a sequence that has objects to write.

    Raises:
        UnusableVideoError: Not one entry of masks a frame.
    """
    video = f'{record["dataset"]}/{record["seq_name"]}'
    frames, masks, classes = (
        record[key] for key in ('annotated_image_paths', 'segmentations', 'track_category_ids')
    )
    if len(frames) != len(masks):
        raise UnusableVideoError('labels and frames of unequal number', video)
    if not all(isinstance(shown, dict) for shown in masks):
        raise UnusableVideoError('segmentations that are not by track', video)
    classes = {track: number for track, number in classes.items() if isinstance(number, int)}
    size = (record['width'], record['height'])
    shown: set[str] = set()
    for index in range(0, len(frames), args.stride):
        file_name = f'frames/{args.split}/{video}/{frames[index]}'
        read = {
            track: read_box(mask, size, f'{file_name} (track {track})', writer)
            for track, mask in masks[index].items()
        }
        boxes = {track: box for track, box in read.items() if box}
        if args.same_class:
            alike = Counter(classes[track] for track in boxes if track in classes)
            boxes = {track: box for track, box in boxes.items() if alike[classes.get(track)] > 1}
        if not boxes:
            writer.drop('frame without objects to write', file_name)
            continue
        # People annotated val and test; in train a tracker may have lost the object.
        absent = [] if args.split == 'train' else sorted(shown - masks[index].keys())
        yield VideoFrame(
            file_name=file_name,
            number=index,
            boxes=[
                (f'{video}/{track}', box, names.get(classes.get(track, -1))) for track, box in boxes.items()
            ],
            absent=[f'{video}/{track}' for track in absent],
            size=size,
        )
        shown.update(boxes)


def main() -> None:
    parser = argument_parser(__doc__ or '', ('train', 'val', 'test'), stride=1)
    parser.add_argument(
        '--same-class', action='store_true', help='only objects beside another of their class'
    )
    args = parse(parser)
    path = require(args.source / 'annotations' / args.split / 'all_classes.json', EXPECTED)
    require(args.source / 'frames' / args.split, EXPECTED)
    with CocoWriter(args.out) as writer:
        names = read_names(writer, path, 'categories', EXPECTED)
        for record in stream_records(path, 'sequences', EXPECTED):
            if usable(writer, 'sequences', record, **FIELDS):
                video = f'{record["dataset"]}/{record["seq_name"]}'
                add_video(writer, args.source, video, read_sequence(record, names, args, writer))
    print(writer.report())


if __name__ == '__main__':
    run_cli(main)
