"""Pictures made of photographs and cut-outs: two files of boxes that training reads, each time alike."""

import json
import shutil

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from tests.conftest import ROOT

REALSET, SPRITES = ROOT / 'data/realset', ROOT / 'data/sprites/test'


@pytest.fixture
def photos(tmp_path):
    """Two photographs of one object."""
    content = json.loads((REALSET / 'train.json').read_text())
    content['annotations'] = [each for each in content['annotations'] if each['instance_id'] == 17][:2]
    shown = {each['image_id'] for each in content['annotations']}
    content['images'] = [image for image in content['images'] if image['id'] in shown]
    for image in content['images']:
        path = tmp_path / 'photos' / image['file_name']
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REALSET / image['file_name'], path)
    file = tmp_path / 'photos/train.json'
    file.write_text(json.dumps(content))
    return file


def test_both_files_are_read_with_objects_that_come_again_or_are_absent(convert, photos, tmp_path):
    outs = [tmp_path / 'a', tmp_path / 'b']
    for out in outs:
        done = convert('collages', photos, '--cutouts', SPRITES, '--out', out, '--pictures', 60)
        assert done.status == 0, done.err
    for name in ('photographed.json', 'pasted.json'):
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()
        tracks = AnnotationFile(str(outs[0] / name), str(outs[0])).tracks()
        assert any(len(track.frames) > 1 for track in tracks)
        assert any(track.absent for track in tracks)
    dataset = DATASETS.build(
        dict(
            type='EpisodeDataset',
            data_root=str(outs[0]),
            ann_file='photographed.json',
            episodes=dict(type='RandomEpisodes', shots=1, per_track=4, negatives=0.5),
            bad_records='drop',
            pipeline=[],
        )
    )
    assert {bool(episode['instances']) for episode in (dataset[index] for index in range(len(dataset)))} == {
        True,
        False,
    }


def test_an_object_and_its_look_alikes_are_of_one_class(convert, photos, tmp_path):
    done = convert('collages', photos, '--cutouts', SPRITES, '--out', tmp_path / 'a', '--pictures', 60)
    assert done.status == 0, done.err
    pasted = json.loads((tmp_path / 'a/pasted.json').read_text())
    names = {instance['id']: instance['name'] for instance in pasted['instances']}
    classes = {category['id']: category['name'] for category in pasted['categories']}
    boxes = pasted['annotations']
    assert all(names[box['instance_id']].endswith(f' {classes[box["category_id"]]}') for box in boxes)
    tracks = AnnotationFile(str(tmp_path / 'a/pasted.json'), str(tmp_path / 'a')).tracks()
    assert any(any(frame.alike) for track in tracks for frame in track.frames)


def test_views_of_an_object_are_pasted_as_one(convert, photos, tmp_path):
    for number, path in enumerate(sorted(SPRITES.glob('*.webp'))[:6]):
        shown = tmp_path / f'views/thing {number // 3}/{number % 3}.webp'
        shown.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, shown)
    out = tmp_path / 'out'
    done = convert('collages', photos, '--views', tmp_path / 'views', '--out', out, '--pictures', 20)
    assert done.status == 0, done.err
    instances = json.loads((out / 'pasted.json').read_text())['instances']
    names = {instance['name'].partition(' ')[2] for instance in instances}
    assert names == {'views/thing 0', 'views/thing 1'}


def test_lone_objects_are_alone_and_large(convert, photos, tmp_path):
    out = tmp_path / 'out'
    options = ('--most-objects', 1, '--smallest', 0.35, '--pictures', 40)
    done = convert('collages', photos, '--cutouts', SPRITES, '--out', out, *options)
    assert done.status == 0, done.err
    pasted = json.loads((out / 'pasted.json').read_text())
    shown = [box['image_id'] for box in pasted['annotations']]
    assert len(set(shown)) == len(shown) > 10
    images = {image['id']: image for image in pasted['images']}
    shares = [
        max(box['bbox'][2:]) / min(images[box['image_id']][side] for side in ('width', 'height'))
        for box in pasted['annotations']
    ]
    assert min(shares) > 0.3


def test_a_glued_object_is_two_that_are_in_no_other(convert, photos, tmp_path):
    out = tmp_path / 'out'
    options = ('--glue', '--bend', 0.1, '--pictures', 40)
    done = convert('collages', photos, '--cutouts', SPRITES, '--out', out, *options)
    assert done.status == 0, done.err
    instances = json.loads((out / 'pasted.json').read_text())['instances']
    pairs = {instance['name'].partition(' ')[2] for instance in instances}
    parts = [part for pair in pairs for part in pair.split(' with ')]
    assert len(parts) == 2 * len(pairs) == len(set(parts))
    assert len(pairs) > 2


def test_one_object_is_not_glued(convert, photos, tmp_path):
    (tmp_path / 'one').mkdir()
    shutil.copy(sorted(SPRITES.glob('*.webp'))[0], tmp_path / 'one')
    done = convert('collages', photos, '--cutouts', tmp_path / 'one', '--out', tmp_path / 'out', '--glue')
    assert (done.status, 'takes two objects' in done.err) == (2, True)


@pytest.mark.parametrize(
    ('name', 'pixels', 'message'),
    [
        ('solid.png', np.full((40, 40, 3), 9, np.uint8), 'left out'),
        ('flat.png', np.full((40, 40, 4), 9, np.uint8), 'left out'),
        ('cut.png', b'\x89PNG\r\n\x1a\n', 'cut.png: cannot be read'),
        ('notes.txt', b'', 'no pictures with transparency there'),
    ],
)
def test_a_folder_of_no_cut_outs_is_said(convert, photos, tmp_path, name, pixels, message):
    path = tmp_path / 'cutouts' / name
    path.parent.mkdir()
    path.write_bytes(pixels if isinstance(pixels, bytes) else cv2.imencode('.png', pixels)[1].tobytes())
    done = convert('collages', photos, '--cutouts', path.parent, '--out', tmp_path / 'out')
    assert (done.status, message in done.out + done.err) == (2, True)


def test_objects_of_folders_of_one_name_are_not_mixed(convert, photos, tmp_path):
    other = tmp_path / 'other' / SPRITES.name
    other.mkdir(parents=True)
    done = convert('collages', photos, '--cutouts', SPRITES, other, '--out', tmp_path / 'out')
    assert (done.status, 'two folders have one name' in done.err) == (2, True)
