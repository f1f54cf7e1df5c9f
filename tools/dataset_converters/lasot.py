"""LaSOT in COCO JSON with instances.

    python tools/dataset_converters/lasot.py data/lasot --split train

reads <class>/<class>-<n>/{groundtruth.txt,full_occlusion.txt,out_of_view.txt,img/00000001.jpg} and writes
train.json there, its images relative to the same folder. Frames in which the object is fully occluded or out
of view are recorded as not showing it. The default stride keeps one frame a second.

Training and test classes are disjoint, 35 each. The names of the paper's split are not published: the one in
lasot_classes.json is this project's own, the first and the last 35 of the 70 classes in alphabetical order.
"""

from collections.abc import Iterator
from pathlib import Path

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.annotations.annotation_file import read_json
from focus_mmdet.datasets.conversion.arguments import argument_parser, parse, require
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.conversion.videos import (
    VideoFrame,
    add_video,
    check_lengths,
    check_values,
    frame_name,
    read_flags,
    read_rows,
)
from focus_mmdet.errors import InputError
from focus_mmdet.progress import progress


def read_sequence(folder: Path, stride: int) -> Iterator[VideoFrame]:
    """Every ``stride``-th frame of ``<class>/<class>-<n>``.

    Raises:
        UnusableVideoError: Label files that are missing or don't fit.
    """
    boxes = read_rows(folder / 'groundtruth.txt')
    occluded = read_flags(folder / 'full_occlusion.txt')
    outside = read_flags(folder / 'out_of_view.txt')
    check_lengths(
        folder.name, folder / 'img', groundtruth=boxes, full_occlusion=occluded, out_of_view=outside
    )
    check_values(folder / 'full_occlusion.txt', occluded, 1)
    check_values(folder / 'out_of_view.txt', outside, 1)
    category = folder.parent.name
    for index in range(0, len(boxes), stride):
        hidden = occluded[index] or outside[index]
        yield VideoFrame(
            file_name=f'{category}/{folder.name}/img/{frame_name(index + 1)}',
            number=index + 1,
            boxes=[] if hidden else [(folder.name, boxes[index], category)],
            absent=[folder.name] if hidden else [],
        )


def find_sequences(source: Path, classes: list[str]) -> list[Path]:
    """Folders of the sequences, by class and number."""
    found = [folder for name in classes for folder in (source / name).glob(f'{name}-*') if folder.is_dir()]
    if not found:
        raise InputError(
            f'{source}: no sequence of the classes {", ".join(classes[:3])}, ... Expected LaSOT: '
            'airplane/airplane-1/groundtruth.txt, airplane/airplane-1/img/00000001.jpg, ...'
        )
    return sorted(found, key=lambda folder: (folder.parent.name, len(folder.name), folder.name))


def read_classes(path: Path, split: str) -> list[str]:
    """Names of the classes of a split, from JSON like ``{"train": ["airplane"], "test": ["zebra"]}``."""
    if require(path, 'Give JSON with the class names of each split').is_dir():
        raise InputError(f'{path}: a folder; give JSON with the class names of each split')
    classes = read_json(str(path)).get(split)
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise InputError(f'{path}: no list of class names under {split!r}')
    return classes


def main() -> None:
    parser = argument_parser(__doc__ or '', ('train', 'test'), stride=30)
    parser.add_argument(
        '--classes',
        type=Path,
        default=Path(__file__).with_name('lasot_classes.json'),
        help='JSON with the class names of each split; default: lasot_classes.json beside this script',
    )
    args = parse(parser)
    classes = read_classes(args.classes, args.split)
    sequences = find_sequences(args.source, classes)
    with CocoWriter(args.out) as writer:
        for name in classes:
            if not (args.source / name).is_dir():
                writer.drop('class without a folder', name)
        for folder in progress(sequences):
            name = f'{folder.parent.name}/{folder.name}'
            add_video(writer, args.source, name, read_sequence(folder, args.stride))
    print(writer.report())


if __name__ == '__main__':
    run_cli(main)
