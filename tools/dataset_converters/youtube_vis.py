"""YouTube-VIS (2019, 2021, and what has its layout) in COCO JSON with instances.

    python tools/dataset_converters/youtube_vis.py data/youtube_vis --split train

reads train.json or train/instances.json and train/JPEGImages/<video>/<frame>.jpg and writes
objects_train.json, its images relative to the dataset's folder. Every fifth frame of a video is annotated,
and by default each of them is kept. Where an object has neither box nor mask, the frame is recorded as not
showing it. Only train has published objects. Needs ijson (the extra "converters" of setup.py).
"""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.conversion.arguments import argument_parser, parse
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.conversion.json_records import DiskGroups, read_names, stream_records, usable
from focus_mmdet.datasets.conversion.videos import VideoFrame, add_video
from focus_mmdet.errors import InputError
from focus_mmdet.progress import progress

EXPECTED = (
    'Expected YouTube-VIS: train.json or train/instances.json (videos, annotations), train/JPEGImages/... '
    'No objects are published for valid and test'
)


def find_annotations(source: Path, split: str) -> Path:
    """The file of a split, as the release of 2019 or of 2021 names it."""
    for path in (source / f'{split}.json', source / split / 'instances.json'):
        if path.is_file():
            return path
    raise InputError(f'{source}: no {split}.json and no {split}/instances.json. {EXPECTED}')


def store_videos(path: Path, writer: CocoWriter) -> tuple[list[int], DiskGroups]:
    """Ids of the videos and their records, each a group of its own."""
    numbers, videos = [], DiskGroups()
    kinds = dict(id=int, width=int, height=int, file_names=list)
    for record in stream_records(path, 'videos', EXPECTED):
        if not usable(writer, 'videos', record, **kinds):
            continue
        if videos.add(record['id'], record['id'], {key: record[key] for key in kinds}):
            numbers.append(record['id'])
        else:
            writer.drop('videos: id used twice', f'id {record["id"]}')
    return numbers, videos


def store_objects(path: Path, writer: CocoWriter) -> DiskGroups:
    """Annotations by video: category, boxes, and in which frames there is a mask."""
    objects = DiskGroups()
    kinds = dict(id=int, video_id=int, category_id=int, bboxes=list, segmentations=list, areas=list)
    for record in stream_records(path, 'annotations', EXPECTED):
        if not usable(writer, 'annotations', record, **kinds):
            continue
        name = f'id {record["id"]}'
        lengths = {key: len(record[key]) for key in ('bboxes', 'segmentations', 'areas')}
        # An empty mask is none, as for TrackEval.
        masks = [bool(mask) for mask in record['segmentations']]
        kept = dict(id=record['id'], category=record['category_id'], boxes=record['bboxes'], masks=masks)
        if len(set(lengths.values())) > 1:
            writer.drop('annotations: lists of unequal length', f'{name} {lengths}')
        elif record.get('iscrowd'):
            writer.drop('annotations: crowd, not one object', name)
        elif not objects.add(record['id'], record['video_id'], kept):
            writer.drop('annotations: id used twice', name)
    return objects


def fitting(video: dict[str, Any], objects: DiskGroups, writer: CocoWriter) -> list[dict[str, Any]]:
    """The objects of a video that have an entry for every frame."""
    found, frames = [], len(video['file_names'])
    for item in objects.take(video['id']):
        if len(item['boxes']) == frames:
            found.append(item)
        else:
            lengths = dict(bboxes=len(item['boxes']), file_names=frames)
            writer.drop('annotations: lists of unequal length', f'id {item["id"]} {lengths}')
    return found


def read_video(
    video: dict[str, Any], found: list[dict[str, Any]], categories: dict[int, str], args: Namespace
) -> Iterator[VideoFrame]:
    """Every ``args.stride``-th frame of a video."""
    for index in range(0, len(video['file_names']), args.stride):
        boxes, absent = [], []
        for item in found:
            if item['boxes'][index] is not None:
                boxes.append((item['id'], item['boxes'][index], categories.get(item['category'])))
            elif not item['masks'][index]:
                absent.append(item['id'])
        name = f'{args.split}/JPEGImages/{video["file_names"][index]}'
        yield VideoFrame(name, index, boxes, absent, (video['width'], video['height']))


def main() -> None:
    args = parse(
        argument_parser(__doc__ or '', ('train', 'valid', 'test'), stride=1, out='objects_{split}.json')
    )
    path = find_annotations(args.source, args.split)
    with CocoWriter(args.out) as writer:
        objects = store_objects(path, writer)
        categories = read_names(writer, path, 'categories', EXPECTED)
        numbers, videos = store_videos(path, writer)
        for number in progress(numbers):
            (video,) = videos.take(number)
            found = fitting(video, objects, writer)
            add_video(writer, args.source, str(number), read_video(video, found, categories, args))
        objects.drop_rest(writer, 'annotations: of a video that is not listed')
    print(writer.report())


if __name__ == '__main__':
    run_cli(main)
