"""Split a COCO file with instances into training and test objects.

    python tools/dataset_converters/split_by_instance.py data/realset/annotations.json

writes train.json and test.json beside it; no object and no video is in both. Images without a box go with
their video and with the objects that they are known not to show. --gallery adds gallery.json, to look
for the test objects in all images.
"""

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any
from zlib import crc32

from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile, read_json
from focus_mmdet.datasets.annotations.natural_order import natural_order
from focus_mmdet.datasets.conversion.output_file import whole_file
from focus_mmdet.errors import InputError


def object_groups(content: dict[str, Any]) -> list[set[int]]:
    """Image ids in groups that share no object and no video; each group has a box."""
    parent: dict[Any, Any] = {}

    def root(node: Any) -> Any:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    video = {image['id']: ('video', image['video_id']) for image in content['images']}
    links = [(record['image_id'], record['instance_id']) for record in content['annotations']]
    links += [(image['id'], instance) for image in content['images'] for instance in image.get('absent', [])]
    for image, instance in links:
        parent[root(('instance', instance))] = root(video[image])
    groups: dict[Any, set[int]] = defaultdict(set)
    for image in video:
        groups[root(video[image])].add(image)
    boxed = {root(video[record['image_id']]) for record in content['annotations']}
    kept = (group for key, group in groups.items() if key in boxed)
    return sorted(kept, key=lambda group: min(map(natural_order, group)))


def without_mark(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a file but for what :func:`with_mark` adds."""
    info = content.get('info')
    told = {key: value for key, value in info.items() if key != 'split'} if isinstance(info, dict) else {}
    return {**content, 'info': told}


def with_mark(content: dict[str, Any]) -> dict[str, Any]:
    """The content with a checksum, by which our own files are known as long as nobody changes them."""
    plain = without_mark(content)
    return {**plain, 'info': {**plain['info'], 'split': crc32(json.dumps(plain).encode())}}


def is_ours(target: Path) -> bool:
    """Whether a file is as this tool wrote it."""
    try:
        old = read_json(str(target))
    except InputError:
        return False
    return old == with_mark(old)


def write_part(target: Path, content: dict[str, Any]) -> None:
    try:
        with whole_file(target) as file:
            file.write(json.dumps(with_mark(content), indent=1) + '\n')
    except OSError as error:
        raise InputError(f'{target}: cannot be written ({error})') from error


def is_there(target: Path, content: dict[str, Any]) -> bool:
    """Whether a file holds this already.

    Raises:
        InputError: It holds what this tool did not write, or not so.
    """
    if target.is_dir():
        raise InputError(f'{target}: cannot be written: a folder')
    if not target.exists():
        return False
    try:
        same = without_mark(read_json(str(target))) == without_mark(content)
    except InputError:
        same = False
    if not same and not is_ours(target):
        raise InputError(
            f'{target}: exists, and is not as this tool wrote it: from elsewhere, or changed since. '
            'Rename or remove it'
        )
    return same


def part_of(content: dict[str, Any], shown: set[int]) -> dict[str, Any]:
    """The images ``shown`` and their boxes."""
    annotations = [record for record in content['annotations'] if record['image_id'] in shown]
    images = [image for image in content['images'] if image['id'] in shown]
    return {**content, 'images': images, 'annotations': annotations}


def gallery_of(content: dict[str, Any], shown: set[int]) -> dict[str, Any]:
    """All images, those that are not in ``shown`` as lacking its objects, and boxes of those alone."""
    annotations = [record for record in content['annotations'] if record['image_id'] in shown]
    objects = sorted({record['instance_id'] for record in annotations})
    images = [image if image['id'] in shown else {**image, 'absent': objects} for image in content['images']]
    return {**content, 'images': images, 'annotations': annotations}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('annotations', type=Path, help='COCO JSON with instance_id and video_id')
    parser.add_argument(
        '--test-fraction', type=float, default=0.33, help='share of the groups; default: %(default)s'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the shuffle; default: %(default)s')
    parser.add_argument(
        '--gallery',
        action='store_true',
        help='write gallery.json: images of training objects are taken to lack the test objects',
    )
    parser.add_argument(
        '--allow-outside', action='store_true', help='as the key of the dataset: images may lie elsewhere'
    )
    args = parser.parse_args()

    if not 0 < args.test_fraction < 1:
        raise InputError(f'--test-fraction {args.test_fraction}: give a number between 0 and 1')
    names = ('test', 'train', 'gallery') if args.gallery else ('test', 'train')
    targets = [args.annotations.parent / f'{name}.json' for name in names]
    for target in targets:
        if target.exists() and args.annotations.exists() and target.samefile(args.annotations):
            raise InputError(f'{target}: would be replaced by its own part; rename it, e.g. annotations.json')
    folder = str(args.annotations.parent)
    file = AnnotationFile(str(args.annotations), folder, allow_outside=args.allow_outside)
    file.tracks()
    check_folder('annotations', args.annotations.parent)
    content = file.content
    groups = object_groups(content)
    random.Random(args.seed).shuffle(groups)
    if len(groups) < 2:
        raise InputError(
            f'{args.annotations}: no two objects that share no video, so a test would repeat training. '
            'Add an object with images of its own. Finding one object needs no training: tools/locate.py'
        )
    count = round(len(groups) * args.test_fraction)
    if not 0 < count < len(groups):
        raise InputError(
            f'{args.annotations}: {len(groups)} groups of objects that share no video; a test fraction of '
            f'{args.test_fraction} leaves a part empty. Change it'
        )
    test, train = (set().union(*chosen) for chosen in (groups[:count], groups[count:]))
    parts = [part_of(content, test), part_of(content, train), gallery_of(content, test)]
    there = [is_there(target, part) for target, part in zip(targets, parts, strict=False)]
    for target, part, is_written in zip(targets, parts, there, strict=False):
        if not is_written:
            write_part(target, part)
        objects = {record['instance_id'] for record in part['annotations']}
        print(f'{target}: {len(objects)} objects, {len(part["images"])} images')
    earlier = args.annotations.parent / 'gallery.json'
    if not args.gallery and is_ours(earlier):
        print(f'{earlier}: is left as an earlier split made it; --gallery makes it anew')
    if lost := len(content['images']) - sum(map(len, groups)):
        print(f'left out: {lost} images of videos without a box')


if __name__ == '__main__':
    run_cli(main)
