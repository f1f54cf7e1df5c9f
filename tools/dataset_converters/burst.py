"""BURST to COCO JSON with instances; boxes come from the masks. PDM and PerMIRS are made of it.

    python tools/dataset_converters/burst.py data/burst --split test --same-class

The folder holds annotations/<split>/all_classes.json as published, and TAO's frames as
frames/<split>/<dataset>/<sequence>/<frame>. With --same-class only objects beside another of
their class are written, as in PerMIRS.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from mmengine.utils import ProgressBar

from focus_mmdet.cli import check_layout, run_cli
from focus_mmdet.datasets.coco_writer import CocoWriter
from focus_mmdet.datasets.json_stream import stream_list
from focus_mmdet.datasets.masks import Box, rle_box
from focus_mmdet.errors import InputError, check_number

NEEDS = {
    'dataset', 'seq_name', 'width', 'height', 'annotated_image_paths', 'segmentations', 'track_category_ids',
}  # fmt: skip


class BurstConverter:
    """Writes the sequences of one split.

    Args:
        source: Folder of the dataset.
        split: ``train``, ``val`` or ``test``.
        stride: Write every so many-th annotated frame.
        same_class: Only objects beside another of their class.
        writer: Where to.
    """

    def __init__(self, source: Path, split: str, stride: int, same_class: bool, writer: CocoWriter) -> None:
        self.source = source
        self.split = split
        self.stride = stride
        self.same_class = same_class
        self.writer = writer
        self.shown: set[str] = set()
        self.annotations = source / 'annotations' / split / 'all_classes.json'

    def convert(self) -> None:
        """Read the annotations twice: names of classes come after the sequences."""
        names = {record['id']: record['name'] for record in stream_list(self.annotations, 'categories')}
        progress = ProgressBar()
        for index, sequence in enumerate(stream_list(self.annotations, 'sequences')):
            if lacking := NEEDS - sequence.keys():
                raise InputError(
                    f'{self.annotations}: sequences[{index}] has no {", ".join(sorted(lacking))}'
                )
            self.add_sequence(sequence, names)
            progress.update()

    def add_sequence(self, sequence: dict[str, Any], names: dict[int, str]) -> None:
        """Write one video."""
        video = f'{sequence["dataset"]}/{sequence["seq_name"]}'
        frames, masks = sequence['annotated_image_paths'], sequence['segmentations']
        if len(frames) != len(masks):
            self.writer.drop('video with unequal numbers of frames and masks', video)
        elif not frames:
            self.writer.drop('video without frames', video)
        elif self.writer.start_video(video):
            self.shown = set()
            for index in range(0, len(frames), self.stride):
                self.add_frame(sequence, index, names)

    def add_frame(self, sequence: dict[str, Any], index: int, names: dict[int, str]) -> None:
        """Write one annotated frame and its tracks."""
        video = f'{sequence["dataset"]}/{sequence["seq_name"]}'
        name = f'frames/{self.split}/{video}/{sequence["annotated_image_paths"][index]}'
        tracks, classes = sequence['segmentations'][index], sequence['track_category_ids']
        size = (sequence['width'], sequence['height'])
        boxes = {track: self.box(mask, size, f'{name} (track {track})') for track, mask in tracks.items()}
        seen = {track: box for track, box in boxes.items() if box}
        if self.same_class:
            alike = Counter(classes.get(track) for track in seen)
            seen = {track: box for track, box in seen.items() if alike[classes.get(track)] > 1}
        if not seen:
            self.writer.drop('frame without objects to write', name)
            return
        if not self.writer.add_image_file(self.source, name, index, size):
            return
        for track, box in seen.items():
            self.writer.add_box(f'{video}/{track}', box, names.get(classes.get(track), 'object'))
        # People annotated val and test; in train a tracker may have lost the object.
        if self.split != 'train':
            for track in sorted(self.shown - tracks.keys()):
                self.writer.add_absent(f'{video}/{track}')
        self.shown.update(seen)

    def box(self, mask: dict[str, Any], size: tuple[int, int], where: str) -> Box | None:
        """The box of a mask in pixels, or None and why not is counted."""
        try:
            box = rle_box(mask['rle'], *size)
        except (KeyError, TypeError, ValueError):
            self.writer.drop('broken mask', where)
            return None
        if box is None:
            self.writer.drop('empty mask', where)
        return box


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path, help='folder with annotations and frames')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train')
    parser.add_argument(
        '--same-class', action='store_true', help='only objects beside another of their class'
    )
    parser.add_argument('--stride', type=int, default=1, help='write every so many-th annotated frame')
    parser.add_argument('--out', type=Path, help='default: <split>.json in the source folder')
    args = parser.parse_args()
    check_number('--stride', args.stride, low=1, whole=True)
    check_layout(args.source, 'BURST', (f'annotations/{args.split}/all_classes.json', f'frames/{args.split}'))
    with CocoWriter(args.out or args.source / f'{args.split}.json') as writer:
        BurstConverter(args.source, args.split, args.stride, args.same_class, writer).convert()
    print(f'\n{writer.report()}')


if __name__ == '__main__':
    run_cli(main)
