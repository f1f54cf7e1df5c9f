"""Sound files by their columns and any file record by record: the same objects."""

import json
from unittest.mock import patch

import pytest
from hypothesis import given, settings

from focus_mmdet.datasets.annotations import coco
from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.annotations.natural_order import natural_order
from focus_mmdet.errors import InputError
from tests.datasets.annotations import drawn_files


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('images')
    drawn_files.write_images(path)
    return path


def read(folder, content, drop):
    """Everything about the objects of a file, and what was left out; or the error."""
    (folder / 'ann.json').write_text(json.dumps(content))
    try:
        file = AnnotationFile(str(folder / 'ann.json'), str(folder), drop)
        tracks = file.tracks()
    except InputError as error:
        return str(error)
    shown = [
        (track.name, tuple(track.frames), tuple(track.absent), track.elsewhere, track.videos)
        for track in tracks
    ]
    return shown, file.dropped


def record_by_record():
    return patch.object(coco, 'sound_order', lambda images, files: None)


@given(drawn_files.files())
@settings(max_examples=60)
def test_columns_tell_what_records_tell(folder, content):
    for drop in (False, True):
        found = read(folder, content, drop)
        with record_by_record():
            assert read(folder, content, drop) == found


@given(drawn_files.sound_files())
def test_objects_are_as_a_plain_reading_has_them(folder, content):
    images = {image['id']: image for image in content['images']}

    def place(image):
        return natural_order(images[image]['video_id']), natural_order(images[image]['frame_id'])

    def corners(record):
        x, y, w, h = record['bbox']
        return max(x, 0), max(y, 0), min(x + w, 40), min(y + h, 30)

    with patch.object(coco.CocoReader, '_boxes', side_effect=AssertionError('not by its columns')):
        tracks = AnnotationFile(written(folder, content), str(folder)).tracks()
    names = sorted({record['instance_id'] for record in content['annotations']}, key=natural_order)
    assert [track.name for track in tracks] == [f'instance_id {name}' for name in names]
    for name, track in zip(names, tracks, strict=True):
        own = [record for record in content['annotations'] if record['instance_id'] == name]
        ordered = sorted(own, key=lambda record: place(record['image_id']))
        assert [frame.box for frame in track.frames] == list(map(corners, ordered))
        assert [frame.category for frame in track.frames] == [each.get('category_id') for each in ordered]
        for record, frame in zip(ordered, track.frames, strict=True):
            image = images[record['image_id']]
            beside = [each for each in content['annotations'] if each['image_id'] == image['id']]
            others = [each for each in beside if each is not record]
            assert frame.path == str(folder / image['file_name'])
            assert frame.others == tuple(map(corners, others))
            assert frame.classes == tuple(each.get('category_id') for each in others)
        lacking = [image for image in images if name in images[image].get('absent', [])]
        files = [str(folder / images[image]['file_name']) for image in sorted(lacking, key=place)]
        assert [frame.path for frame in track.absent] == files
        assert {frame.category for frame in track.absent} <= {own[-1].get('category_id')}


def written(folder, content):
    (folder / 'ann.json').write_text(json.dumps(content))
    return str(folder / 'ann.json')
