"""TAO, or TAO-Amodal, in COCO JSON with instances.

    python tools/dataset_converters/tao.py data/tao --split train
    python tools/dataset_converters/tao.py data/tao --split validation --annotations amodal_annotations

reads annotations/train.json and frames/train/<dataset>/<video>/<frame>.jpg and writes train.json, its images
relative to frames/. Videos are annotated at one frame a second, and by default every such frame is kept.
Classes that TAO merges into another bear that one's name. Boxes are of what is seen; where TAO-Amodal has an
amodal box alone, the frame is recorded as not showing the object. Needs ijson (the extra "converters"
of setup.py).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.conversion.arguments import argument_parser, parse, require
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.conversion.json_records import DiskGroups, read_names, stream_records, usable
from focus_mmdet.datasets.conversion.videos import VideoFrame, add_video
from focus_mmdet.progress import progress

EXPECTED = 'Expected TAO: annotations/train.json with videos, images, annotations; frames/train/YFCC100M/...'


def store_images(path: Path, writer: CocoWriter) -> DiskGroups:
    """Image records by video."""
    images = DiskGroups()
    kinds = dict(id=int, video_id=int, file_name=str, frame_index=int, width=int, height=int)
    for record in stream_records(path, 'images', EXPECTED):
        if usable(writer, 'images', record, **kinds):
            kept = {key: record[key] for key in kinds}
            if not images.add(record['id'], record['video_id'], kept):
                writer.drop('images: id used twice', f'id {record["id"]}')
    return images


def store_objects(path: Path, writer: CocoWriter) -> DiskGroups:
    """Annotations by image: track, category and box, null where only an amodal box is given."""
    objects = DiskGroups()
    for record in stream_records(path, 'annotations', EXPECTED):
        if not usable(writer, 'annotations', record, id=int, image_id=int, track_id=int, category_id=int):
            continue
        name, bbox = f'id {record["id"]}', record.get('bbox')
        kept = dict(track=record['track_id'], category=record['category_id'], bbox=bbox)
        if bbox is None and record.get('amodal_bbox') is None:
            writer.drop('annotations: no sound bbox', name)
        elif record.get('iscrowd'):
            writer.drop('annotations: crowd, not one object', name)
        elif not objects.add(record['id'], record['image_id'], kept):
            writer.drop('annotations: id used twice', name)
    return objects


def read_categories(path: Path, writer: CocoWriter) -> dict[int, str]:
    """Names of the classes by id; some are merged into another, whose name they get."""
    names: dict[int, str] = {}
    merged: dict[int, str] = {}
    for record in stream_records(path, 'categories', EXPECTED):
        if usable(writer, 'categories', record, id=int, name=str):
            names.setdefault(record['id'], record['name'])
            others = record.get('merged')
            for item in others if isinstance(others, list) else []:
                if usable(writer, 'merged categories', item, id=int):
                    merged[item['id']] = record['name']
    return names | merged


def read_video(
    images: list[dict[str, Any]], objects: DiskGroups, categories: dict[int, str], stride: int
) -> Iterator[VideoFrame]:
    """Every ``stride``-th image of a video, by time."""
    for index, image in enumerate(sorted(images, key=lambda image: image['frame_index'])):
        found = objects.take(image['id'])
        if index % stride:
            continue
        yield VideoFrame(
            file_name=image['file_name'],
            number=image['frame_index'],
            boxes=[
                (item['track'], item['bbox'], categories.get(item['category']))
                for item in found
                if item['bbox'] is not None
            ],
            absent=[item['track'] for item in found if item['bbox'] is None],
            size=(image['width'], image['height']),
        )


def main() -> None:
    parser = argument_parser(__doc__ or '', ('train', 'validation', 'test'), stride=1)
    parser.add_argument(
        '--annotations', default='annotations', help='folder of <split>.json in SOURCE; default: %(default)s'
    )
    args = parse(parser)
    path = args.source / args.annotations / f'{args.split}.json'
    frames = require(args.source / 'frames', EXPECTED)
    require(path, EXPECTED)
    with CocoWriter(args.out) as writer:
        images, objects = store_images(path, writer), store_objects(path, writer)
        categories = read_categories(path, writer)
        videos = read_names(writer, path, 'videos', EXPECTED)
        for number, name in progress(list(videos.items())):
            listed = images.take(number)
            add_video(writer, frames, name, read_video(listed, objects, categories, args.stride))
        images.drop_rest(writer, 'images: of a video that is not listed')
        objects.drop_rest(writer, 'annotations: of an image that is not listed')
    print(writer.report())


if __name__ == '__main__':
    run_cli(main)
