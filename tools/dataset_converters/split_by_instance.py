"""Split a COCO file with instances into training and test objects.

    python tools/dataset_converters/split_by_instance.py data/realset/annotations.json

writes train.json and test.json beside it; no object and no video is in both.
"""

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.annotation_file import AnnotationFile, read_json
from focus_mmdet.errors import InputError


def object_groups(content: dict[str, Any]) -> list[set[int]]:
    """Image ids in groups that share no object and no video."""
    parent: dict[Any, Any] = {}

    def root(node: Any) -> Any:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    video = {image['id']: ('video', image['video_id']) for image in content['images']}
    for record in content['annotations']:
        parent[root(('instance', record['instance_id']))] = root(video[record['image_id']])
    groups: dict[Any, set[int]] = defaultdict(set)
    for record in content['annotations']:
        groups[root(video[record['image_id']])].add(record['image_id'])
    return sorted(groups.values(), key=min)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('annotations', type=Path, help='COCO JSON with instance_id and video_id')
    parser.add_argument(
        '--test-fraction', type=float, default=0.33, help='share of the groups; default: %(default)s'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the shuffle; default: %(default)s')
    args = parser.parse_args()

    if not 0 < args.test_fraction < 1:
        raise InputError(f'--test-fraction {args.test_fraction}: give a number between 0 and 1')
    AnnotationFile(str(args.annotations), str(args.annotations.parent)).tracks()
    content = read_json(str(args.annotations))
    groups = object_groups(content)
    random.Random(args.seed).shuffle(groups)
    count = round(len(groups) * args.test_fraction)
    if not 0 < count < len(groups):
        raise InputError(
            f'{args.annotations}: {len(groups)} groups of objects that share no video; a test fraction of '
            f'{args.test_fraction} leaves a part empty. Add objects or change --test-fraction'
        )
    for name, chosen in (('test', groups[:count]), ('train', groups[count:])):
        shown = set().union(*chosen)
        annotations = [record for record in content['annotations'] if record['image_id'] in shown]
        images = [image for image in content['images'] if image['id'] in shown]
        part = {**content, 'images': images, 'annotations': annotations}
        target = args.annotations.parent / f'{name}.json'
        target.write_text(json.dumps(part, indent=1) + '\n', encoding='utf-8')
        objects = {record['instance_id'] for record in annotations}
        print(f'{target}: {len(objects)} objects, {len(images)} images')


if __name__ == '__main__':
    run_cli(main)
