"""COCO or LVIS to COCO JSON with instances.

    python tools/dataset_converters/coco.py data/coco --split train2017 --identity crop
    python tools/dataset_converters/coco.py data/lvis --split lvis_v1_train --identity class
    python tools/dataset_converters/coco.py export/result.json --identity class

None says which boxes are the same object, so --identity decides:
  crop   every box is an object of its own, in one image: train on crops of that image
  class  a class is one object: images that show it exactly once are its places, and some images
         that are known not to show it are recorded as such; no other image is taken to lack it.
         Categories of one name are one class
The folder holds annotations/instances_<split>.json (LVIS, and others: annotations/<split>.json) and
the images, by their file_name there, in <split>/ (as published), images/ or images/<split>/. In place
of the folder its annotation file may be given, as labelling tools export it: result.json beside
images/ (Label Studio, with images), labels.json beside data/ (FiftyOne). Needs ijson (the extra
"converters" of setup.py).
"""

import os.path
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath, PureWindowsPath
from posixpath import normpath
from typing import Any

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.conversion.arguments import argument_parser, parse
from focus_mmdet.datasets.conversion.coco_writer import SLACK, CocoWriter, overhang
from focus_mmdet.datasets.conversion.drop_counter import DropCounter
from focus_mmdet.datasets.conversion.json_records import DiskGroups, read_names, stream_records, usable
from focus_mmdet.datasets.episode import below_a_pixel
from focus_mmdet.errors import InputError, check_number

EXPECTED = 'Expected COCO or LVIS: lists of images, annotations and categories'

#: An image is recorded as not showing at most so many classes.
MAX_ABSENT = 5


def store_objects(path: Path, writer: DropCounter) -> DiskGroups:
    """Annotations by image: id, category, whether they are crowds, and box.

    The category of a broken record is None: its image may show anything.

    Raises:
        InputError: A record of no image, so that any image may show what it is of, or an id twice,
            as in files that were put together: nothing tells whether image ids are right there.
    """
    objects = DiskGroups()
    for record in stream_records(path, 'annotations', EXPECTED):
        if not usable(writer, 'annotations', record, image_id=int):
            raise InputError(
                f'{path}: annotations: image_id must be a whole number in {str(record)[:200]}. Correct or '
                'remove it; as it stands, any image may show the object'
            )
        image = record['image_id']
        sound = usable(writer, 'annotations', record, id=int, category_id=int)
        kept = dict(
            id=record.get('id'),
            category=record['category_id'] if sound else None,
            crowd=bool(record.get('iscrowd')),
            bbox=record.get('bbox'),
        )
        if not objects.add(record['id'] if sound else None, image, kept):
            raise InputError(
                f'{path}: annotations: id {record["id"]} is used twice, the second time in image {image}. '
                'Give every annotation its own id, and check that every image has its own'
            )
    return objects


def first_of_name(classes: dict[int, str]) -> dict[int, int]:
    """By category id, the first one with the same name."""
    first: dict[str, int] = {}
    return {number: first.setdefault(name, number) for number, name in classes.items()}


def image_name(record: dict[str, Any]) -> str:
    """Folder and file of an image: LVIS says them in its URL alone, and COCO the folder."""
    url = Path(str(record.get('coco_url', '')))
    return f'{url.parent.name}/{url.name}' if url.suffix else str(record.get('file_name') or '')


def image_file(record: dict[str, Any], source: Path, split: str) -> str:
    """Where an image lies below ``source``: as its record says, or in a folder of the split, or of images.

    Labelling tools name a path of their server or of Windows, and export the file alone.
    """
    name = image_name(record)
    alone = PureWindowsPath(name).name
    places = [PurePath(folder) / name for folder in ('', split, 'images', f'images/{split}', 'data')]
    for place in [*places, PurePath('images') / alone] if alone else ():
        if os.path.isfile(source / place):
            return place.as_posix()
    return name


def fault(item: dict[str, Any], image: dict[str, Any], min_size: float) -> str | None:
    """Why an annotation is no object to write."""
    bbox = item['bbox']
    if item['category'] is None:
        return 'annotation of no sound class'
    if item['crowd']:
        return 'annotations: crowd, not one object'
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(isinstance(x, (int, float)) for x in bbox):
        return 'annotations: no sound bbox'
    if overhang(bbox, image['width'], image['height']) > SLACK:
        return 'box beyond its image'
    if reason := below_a_pixel(bbox, *bbox[2:]):
        return f'box that {reason}'
    return 'box smaller than --min-size' if min(bbox[2:]) < min_size else None


def certain(
    image: dict[str, Any], found: list[dict[str, Any]], same: dict[int, int], writer: DropCounter
) -> list[dict[str, Any]]:
    """Annotations whose class is certain to appear exactly once in the image.

    Crowds and annotations without a box count among the objects of their class.

    Args:
        image: Its record.
        found: All its annotations.
        same: Of :func:`first_of_name`.
        writer: Counts what is dropped.
    """
    counts = Counter(item['category'] for item in found)
    if None in counts:
        writer.drop('image with an annotation of no sound class', image_name(image))
        return []
    listed = image.get('not_exhaustive_category_ids', [])
    if not isinstance(listed, list):
        writer.drop('images: not_exhaustive_category_ids is no list', image_name(image))
        return []
    open_classes = [same.get(number, number) for number in listed if isinstance(number, int)]
    kept = []
    for item in found:
        where = f'{image_name(image)} (annotation {item["id"]})'
        if counts[item['category']] > 1:
            writer.drop('class more than once in an image', where)
        elif item['category'] in open_classes:
            writer.drop('class not annotated exhaustively in an image', where)
        else:
            kept.append(item)
    return kept


def absent_classes(
    image: dict[str, Any], found: list[dict[str, Any]], same: dict[int, int], absences: dict[int, int]
) -> list[int]:
    """Some classes that an image is known not to show, those with the fewest such images.

    COCO annotates every object of its classes, LVIS lists what was looked for in vain.

    Args:
        image: Its record.
        found: All its annotations.
        same: Of :func:`first_of_name`.
        absences: Images without it, by class that has boxes.
    """
    is_lvis = 'not_exhaustive_category_ids' in image or 'neg_category_ids' in image
    listed = image.get('neg_category_ids', []) if is_lvis else list(absences)
    listed = listed if isinstance(listed, list) else []
    shown = {item['category'] for item in found}
    if None in shown:
        return []
    lacking = [same.get(number, number) for number in listed if isinstance(number, int)]
    known = {number for number in absences if number in lacking}
    return sorted(known - shown, key=lambda number: (absences[number], number))[:MAX_ABSENT]


def listed_images(
    path: Path, source: Path, split: str, writer: CocoWriter
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each sound image lies, and its record.

    Raises:
        InputError: Two images have one id or one file, so that one may lack what is said of the other.
    """
    seen, files = DiskGroups(), dict[str, int]()
    for image in stream_records(path, 'images', EXPECTED):
        if not usable(writer, 'images', image, id=int, width=int, height=int):
            continue
        name, number = image_file(image, source, split), image['id']
        if not seen.add(number, 0, {}):
            raise InputError(f'{path}: images: id {number} is used twice. Give every image its own id')
        if not name:
            writer.drop('images: no sound file_name', f'id {number}')
            continue
        if (other := files.setdefault(normpath(name), number)) != number:
            raise InputError(f'{path}: images: ids {other} and {number} have one file, {name}. List it once')
        yield name, image


def with_class(found: list[dict[str, Any]], same: dict[int, int]) -> list[dict[str, Any]]:
    """Annotations by the first category of their name."""
    return [{**item, 'category': same.get(item['category'], item['category'])} for item in found]


def boxed_classes(path: Path, objects: DiskGroups, same: dict[int, int], min_size: float) -> list[int]:
    """Categories of which an image keeps a box, if its file is sound: only these may be absent."""
    boxed: set[int] = set()
    unheard = DropCounter()
    for image in stream_records(path, 'images', EXPECTED):
        if usable(unheard, 'images', image, id=int, width=int, height=int):
            found = with_class(objects.look(image['id']), same)
            kept = [item for item in certain(image, found, same, unheard) if not fault(item, image, min_size)]
            boxed.update(item['category'] for item in kept)
    return sorted(boxed)


def convert(path: Path, source: Path, split: str, identity: str, min_size: float, writer: CocoWriter) -> None:
    """Write the images of one annotation file that keep a box, or are known to lack a class.

    Raises:
        InputError: The file contradicts itself.
    """
    by_class = identity == 'class'
    objects = store_objects(path, writer)
    classes = read_names(writer, path, 'categories', EXPECTED)
    same = first_of_name(classes)
    absences = dict.fromkeys(boxed_classes(path, objects, same, min_size), 0) if by_class else {}
    for name, image in listed_images(path, source, split, writer):
        found, kept = with_class(objects.take(image['id']), same), []
        for item in certain(image, found, same, writer) if by_class else found:
            if reason := fault(item, image, min_size):
                writer.drop(reason, f'{name} (annotation {item["id"]})')
            else:
                kept.append(item)
        lacking = absent_classes(image, found, same, absences)
        if not (kept or lacking) or not writer.start_video(name):
            continue
        if writer.add_image_file(source, name, 0, (image['width'], image['height'])):
            for item in kept:
                category = classes.get(item['category'], f'class {item["category"]}')
                writer.add_box(category if by_class else item['id'], item['bbox'], category)
            for missing in lacking:
                writer.add_absent(classes.get(missing, f'class {missing}'))
                absences[missing] += 1
    objects.drop_rest(writer, 'annotations: of an image that is not listed')


def annotation_file(source: Path, split: str) -> Path:
    """The file of a split, by COCO's or LVIS's name."""
    for name in (f'instances_{split}.json', f'{split}.json'):
        if (source / 'annotations' / name).is_file():
            return source / 'annotations' / name
    known = ', '.join(sorted(path.name for path in source.glob('annotations/*.json')))
    raise InputError(
        f'{source}: no annotations/instances_{split}.json (COCO) or annotations/{split}.json (LVIS); '
        f'there are: {known or "none"}. Check the folder and --split, or give the file itself'
    )


def layout(file: Path) -> tuple[Path, str]:
    """The dataset's folder and the split that an annotation file is of."""
    folder = file.parent.parent if file.parent.name == 'annotations' else file.parent
    return folder, file.stem.removeprefix('instances_')


def main() -> None:
    parser = argument_parser(
        __doc__ or '',
        out='{split}_{identity}.json',
        source='the folder of the dataset, or its annotation file',
    )
    parser.add_argument(
        '--split', default='train2017', help='of a folder, e.g. val2017, lvis_v1_train; default: %(default)s'
    )
    parser.add_argument('--identity', choices=['class', 'crop'], required=True, help='what is one object')
    parser.add_argument(
        '--min-size', type=float, default=32, help='smallest side of a box in pixels; default: %(default)s'
    )
    args = parse(parser, layout)
    check_number('--min-size', args.min_size, low=0)
    path = args.file or annotation_file(args.source, args.split)
    is_class = args.identity == 'class'
    with CocoWriter(args.out, objects_span_videos=is_class, exhaustive=not is_class) as writer:
        convert(path, args.source, args.split, args.identity, args.min_size, writer)
    print(writer.report())


if __name__ == '__main__':
    run_cli(main)
