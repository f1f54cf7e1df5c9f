"""Make training pictures of a few photographs and many drawings, with exact boxes.

    python tools/dataset_converters/collages.py data/realset/train.json --drawings data/sprites/train \\
        --out work_dirs/collages --pictures 6000

Pictures are views of the photographs, and collages: objects cut out of them, drawings, and look-alikes
of both, on backgrounds from the photographs. --out receives the pictures and two files of boxes,
photographed.json and drawn.json, with the objects of the photographs and those of the drawings.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np

from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.collage.collage import Box, Photo, Picture, PictureMaker
from focus_mmdet.datasets.collage.cutouts import trimmed
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.image_file import read_image
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.progress import progress

PHOTOGRAPHED, DRAWN = 'photographed.json', 'drawn.json'


def read_photos(annotations: Path) -> list[Photo]:
    """The photographs of a COCO file with instances, which lie in its folder, with their boxes."""
    boxes: dict[str, dict[str, Box]] = defaultdict(dict)
    for track in AnnotationFile(str(annotations), str(annotations.parent)).tracks():
        for frame in track.frames:
            assert frame.box is not None
            boxes[frame.path][track.name] = frame.box
    return [Photo(read_image(path), boxes[path]) for path in sorted(boxes)]


def read_drawings(folder: Path) -> dict[str, np.ndarray]:
    """Drawings by name, BGRA.

    Raises:
        InputError: There is none, or one cannot be read or has no transparency.
    """
    drawings = {}
    for path in sorted(path for path in folder.glob('*') if path.suffix in ('.webp', '.png')):
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        drawing = None
        if pixels is not None and pixels.ndim == 3 and pixels.shape[2] == 4:
            drawing = trimmed(pixels)
        if drawing is None:
            raise InputError(
                f'{path}: is no drawing with transparency (8 bit RGBA) that shows something. Remove it'
            )
        drawings[path.stem] = drawing
    if not drawings:
        raise InputError(f'--drawings {folder}: no drawings there (*.webp, *.png with transparency)')
    return drawings


def write(
    picture: Picture, path: str, folder: Path, writers: Mapping[str, CocoWriter], photographed: set[str]
) -> None:
    """Write a picture, and its objects into the files that they belong to."""
    mmcv.imwrite(picture.pixels, str(folder / path), [cv2.IMWRITE_JPEG_QUALITY, 90])
    height, width = picture.pixels.shape[:2]
    for file, writer in writers.items():
        is_photographed = file == PHOTOGRAPHED
        mine, absent = (
            [name for name in names if (name.partition(' ')[2] in photographed) == is_photographed]
            for names in (picture.boxes, picture.absent)
        )
        if not mine and not absent:
            continue
        writer.start_video(Path(path).stem)
        writer.add_image(path, width, height, 0)
        for name in mine:
            x1, y1, x2, y2 = picture.boxes[name]
            writer.add_box(name, (x1, y1, x2 - x1, y2 - y1))
        for name in absent:
            writer.add_absent(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('photos', type=Path, help='COCO JSON with instances, beside its images')
    parser.add_argument(
        '--drawings', type=Path, required=True, help='folder of RGBA drawings, *.webp or *.png'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder to write into')
    parser.add_argument('--pictures', type=int, default=6000, help='default: %(default)s')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    args = parser.parse_args()
    check_number('--pictures', args.pictures, low=1, whole=True)
    check_number('--seed', args.seed, low=0, whole=True)
    check_folder('--out', args.out)
    drawings = read_drawings(args.drawings)
    # So few that each of them and its look-alikes come again.
    few = np.random.default_rng(args.seed).permutation(sorted(drawings))[: max(10, args.pictures // 12)]
    make = PictureMaker(read_photos(args.photos), {name: drawings[name] for name in few})
    options: dict[str, Any] = dict(objects_span_videos=True, exhaustive=False)
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(CocoWriter(args.out / name, **options))
            for name in (PHOTOGRAPHED, DRAWN)
        }
        for number in progress(range(args.pictures)):
            picture = make(np.random.default_rng([args.seed, number + 1]))
            write(picture, f'pictures/{number:06d}.jpg', args.out, writers, set(make.photographed))
    for writer in writers.values():
        print(writer.report())


if __name__ == '__main__':
    run_cli(main)
