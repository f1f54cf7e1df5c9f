"""COCO or LVIS to COCO JSON with instances.

    python tools/dataset_converters/coco.py data/coco --split train2017 --identity crop
    python tools/dataset_converters/coco.py data/lvis --split lvis_v1_train --identity class

Neither says which boxes are the same object, so --identity decides:
  crop   every box is an object of its own, in one image: train on crops of that image
  class  a class is one object: images that show it exactly once are its places
The folder holds annotations/instances_<split>.json (LVIS: annotations/<split>.json) and the
images as train2017/000000000009.jpg and so on, as published.
"""

import argparse
from collections import Counter
from pathlib import Path

from mmengine.utils import ProgressBar

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.coco_images import CocoAnnotation, CocoImage, CocoImages
from focus_mmdet.datasets.coco_writer import CocoWriter
from focus_mmdet.datasets.json_stream import stream_list
from focus_mmdet.errors import InputError, check_number


def once(image: CocoImage, annotations: list[CocoAnnotation], writer: CocoWriter) -> list[CocoAnnotation]:
    """Annotations whose class is certain to appear exactly once in the image."""
    counts = Counter(annotation.category for annotation in annotations)
    kept = []
    for annotation in annotations:
        where = f'{image.name} (annotation {annotation.id})'
        if counts[annotation.category] > 1:
            writer.drop('class more than once in an image', where)
        elif annotation.category in image.uncertain:
            writer.drop('class not annotated exhaustively in an image', where)
        else:
            kept.append(annotation)
    return kept


def convert(path: Path, source: Path, identity: str, min_size: float, writer: CocoWriter) -> None:
    """Write the images of one annotation file that keep a box."""
    classes = {record['id']: record['name'] for record in stream_list(path, 'categories')}
    images = CocoImages(path, writer.drop)
    progress = ProgressBar(len(images))
    for image, annotations in images:
        progress.update()
        chosen = once(image, annotations, writer) if identity == 'class' else annotations
        kept = []
        for annotation in chosen:
            where = f'{image.name} (annotation {annotation.id})'
            if annotation.crowd:
                writer.drop('crowd', where)
            elif not annotation.bbox:
                writer.drop('annotation without a box', where)
            elif min(annotation.bbox[2:]) < min_size:
                writer.drop('box smaller than --min-size', where)
            else:
                kept.append(annotation)
        if not kept or not writer.start_video(image.name):
            continue
        if not writer.add_image_file(source, image.name, 0, image.size):
            continue
        for annotation in kept:
            name = classes.get(annotation.category, f'class {annotation.category}')
            writer.add_box(name if identity == 'class' else annotation.id, annotation.bbox, name)


def annotation_file(source: Path, split: str) -> Path:
    """The file of a split, by COCO's or LVIS's name."""
    for name in (f'instances_{split}.json', f'{split}.json'):
        if (source / 'annotations' / name).is_file():
            return source / 'annotations' / name
    known = ', '.join(sorted(path.name for path in source.glob('annotations/*.json')))
    raise InputError(
        f'{source}: no annotations/instances_{split}.json (COCO) or annotations/{split}.json (LVIS); '
        f'there are: {known or "none"}. Check the folder and --split'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path, help='folder with annotations and the images')
    parser.add_argument('--split', default='train2017', help='e.g. val2017, lvis_v1_train')
    parser.add_argument('--identity', choices=['class', 'crop'], required=True, help='what is one object')
    parser.add_argument('--min-size', type=float, default=32, help='smallest side of a box in pixels')
    parser.add_argument('--out', type=Path, help='default: <split>_<identity>.json in the source folder')
    args = parser.parse_args()
    check_number('--min-size', args.min_size, low=0)
    path = annotation_file(args.source, args.split)
    out = args.out or args.source / f'{args.split}_{args.identity}.json'
    with CocoWriter(out, objects_span_videos=args.identity == 'class') as writer:
        convert(path, args.source, args.identity, args.min_size, writer)
    print(f'\n{writer.report()}')


if __name__ == '__main__':
    run_cli(main)
