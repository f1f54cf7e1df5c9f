"""Make training pictures of a few photographs and many cut-outs, with exact boxes.

    python tools/dataset_converters/collages.py data/realset/train.json --cutouts data/sprites/train \\
        --out work_dirs/collages --pictures 6000

Pictures are views of the photographs, and collages: objects cut out of them, others that are cut out
already (drawings, stamps, renderings), and look-alikes of both, on backgrounds from photographs.
--out receives the pictures and two files of boxes, photographed.json and pasted.json, with the objects
of the photographs and with the others. An object and its look-alikes are of one class.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np

from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.collage.collage import SMALLEST, Box, Photo, Picture, PictureMaker
from focus_mmdet.datasets.collage.cutouts import glued, trimmed
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.image_file import read_image
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.progress import progress

PHOTOGRAPHED, PASTED = 'photographed.json', 'pasted.json'
#: Longest side of a background and of a cut-out in pixels.
BACKGROUND, CUTOUT = 640, 260
#: Of 4,096 colours, how many a cut-out has at least: signs and silhouettes have fewer.
COLOURS = 40
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp')


def read_photos(annotations: Path) -> list[Photo]:
    """The photographs of a COCO file with instances, which lie in its folder, with their boxes."""
    boxes: dict[str, dict[str, Box]] = defaultdict(dict)
    for track in AnnotationFile(str(annotations), str(annotations.parent)).tracks():
        for frame in track.frames:
            assert frame.box is not None
            boxes[frame.path][track.name] = frame.box
    return [Photo(read_image(path), boxes[path]) for path in sorted(boxes)]


def list_cutouts(folder: Path, views: bool) -> dict[str, list[Path]]:
    """Files by the object that they show: each file one, or all of a folder views of one.

    Raises:
        InputError: There is none.
    """
    objects: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(path for path in folder.rglob('*') if path.suffix in ('.webp', '.png')):
        shown = path.parent if views else path.with_suffix('')
        objects[f'{folder.name}/{shown.relative_to(folder)}'].append(path)
    if not objects:
        raise InputError(f'{folder}: no pictures with transparency there (*.webp, *.png)')
    return dict(objects)


def read_cutouts(paths: Iterable[Path]) -> list[np.ndarray]:
    """BGRA, scaled down, without those that are not cut out, show nothing or are in a few flat colours.

    Raises:
        InputError: A file cannot be read.
    """
    cutouts = []
    for path in paths:
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise InputError(f'{path}: cannot be read as a picture. Mend or remove it')
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 4:
            continue
        cutout = trimmed(pixels)
        if cutout is None or pixels[..., 3].min() == 255:
            continue
        shown = cutout[..., :3][cutout[..., 3] > 0] // 16
        if len(np.unique(shown, axis=0)) >= COLOURS:
            zoom = min(1, CUTOUT / max(cutout.shape[:2]))
            cutouts.append(cv2.resize(cutout, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA))
    return cutouts


def read_some(folder: Path, views: bool, most: int, rng: np.random.Generator) -> dict[str, list[np.ndarray]]:
    """As many objects of a folder as ``most``, any of them; says how many files are no cut-outs.

    Raises:
        InputError: There is none.
    """
    objects = list_cutouts(folder, views)
    chosen = rng.permutation(sorted(objects))[:most].tolist()
    read = {name: read_cutouts(objects[name]) for name in chosen}
    count, left = sum(len(objects[name]) for name in chosen), sum(map(len, read.values()))
    if left < count:
        print(f'{folder}: {count - left} of {count} files left out: no 8 bit RGBA cut-outs, or flat')
    if not left:
        raise InputError(f'{folder}: nothing there is a picture with transparency (8 bit RGBA) of something')
    return {name: cutouts for name, cutouts in read.items() if cutouts}


def glue_pairs(
    collections: Iterable[Mapping[str, list[np.ndarray]]], rng: np.random.Generator
) -> dict[str, list[np.ndarray]]:
    """Objects of two others each, which are in no other pair; as many views as the one with more of them.

    Raises:
        InputError: There are no two.
    """
    objects = {name: views for collection in collections for name, views in collection.items()}
    if len(objects) < 2:
        raise InputError('--glue: takes two objects to paste or more, and there is one')
    names = rng.permutation(sorted(objects)).tolist()
    pairs = {}
    for first, second in zip(names[::2], names[1::2], strict=False):
        seed, views = int(rng.integers(2**32)), (objects[first], objects[second])
        pairs[f'{first} with {second}'] = [
            glued(
                views[0][number % len(views[0])],
                views[1][number % len(views[1])],
                np.random.default_rng(seed),
            )
            for number in range(max(map(len, views)))
        ]
    return pairs


def read_backgrounds(folders: Iterable[Path]) -> list[np.ndarray]:
    """All photographs below some folders, scaled down.

    Raises:
        InputError: A folder has none, or one cannot be read.
    """
    found = []
    for folder in folders:
        paths = sorted(path for path in folder.rglob('*') if path.suffix.lower() in IMAGE_SUFFIXES)
        if not paths:
            raise InputError(f'--backgrounds {folder}: no photographs there')
        found += [mmcv.imrescale(read_image(str(path)), (BACKGROUND, BACKGROUND)) for path in paths]
    return found


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
            writer.add_box(name, (x1, y1, x2 - x1, y2 - y1), category=name.partition(' ')[2])
        for name in absent:
            writer.add_absent(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('photos', type=Path, help='COCO JSON with instances, beside its images')
    parser.add_argument(
        '--cutouts', type=Path, nargs='+', default=[], help='folders of RGBA pictures, each of an object'
    )
    parser.add_argument(
        '--views', type=Path, nargs='+', default=[], help='folders of folders: RGBA views of an object'
    )
    parser.add_argument('--backgrounds', type=Path, nargs='+', default=[], help='folders of photographs')
    parser.add_argument('--out', type=Path, required=True, help='folder to write into')
    parser.add_argument('--pictures', type=int, default=6000, help='default: %(default)s')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument(
        '--scale', type=int, default=1, help='times 352 pixels, the longest side of a picture'
    )
    parser.add_argument('--most-objects', type=int, default=5, help='of a collage; default: %(default)s')
    parser.add_argument(
        '--smallest',
        type=float,
        default=SMALLEST,
        help="share of a picture's shorter side; default: %(default)s",
    )
    parser.add_argument('--glue', action='store_true', help='paste objects of two others each, and no others')
    parser.add_argument(
        '--bend',
        type=float,
        default=0,
        help="share of an object's side by which its parts move between pictures; default: %(default)s",
    )
    args = parser.parse_args()
    check_number('--pictures', args.pictures, low=1, whole=True)
    check_number('--seed', args.seed, low=0, whole=True)
    check_number('--scale', args.scale, low=1, whole=True)
    check_number('--most-objects', args.most_objects, low=1, high=5, whole=True)
    check_number('--smallest', args.smallest, low=0.05, high=0.35)
    check_number('--bend', args.bend, low=0, high=0.25)
    check_folder('--out', args.out)
    folders = [(folder, False) for folder in args.cutouts] + [(folder, True) for folder in args.views]
    if not folders:
        raise InputError('--cutouts or --views: name a folder of objects to paste')
    if len({folder.name for folder, _ in folders}) < len(folders):
        raise InputError(
            '--cutouts, --views: two folders have one name, by which objects are told apart. Rename one'
        )
    # So few that each of them and its look-alikes come again.
    most = max(10, args.pictures // (4 * len(folders)))
    chance = np.random.default_rng(args.seed)
    collections = [read_some(folder, views, most, chance) for folder, views in folders]
    make = PictureMaker(
        read_photos(args.photos),
        [glue_pairs(collections, chance)] if args.glue else collections,
        read_backgrounds(args.backgrounds),
        args.scale,
        args.most_objects,
        args.smallest,
        args.bend,
    )
    options: dict[str, Any] = dict(objects_span_videos=True, exhaustive=False)
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(CocoWriter(args.out / name, **options))
            for name in (PHOTOGRAPHED, PASTED)
        }
        for number in progress(range(args.pictures)):
            picture = make(np.random.default_rng([args.seed, number + 1]))
            write(picture, f'pictures/{number:06d}.jpg', args.out, writers, set(make.photographed))
    for writer in writers.values():
        print(writer.report())


if __name__ == '__main__':
    run_cli(main)
