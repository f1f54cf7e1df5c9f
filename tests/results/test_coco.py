"""What was found is read by pycocotools, and becomes training data."""

import json
import os

import pytest
from PIL import Image
from pycocotools.coco import COCO

from focus_mmdet.datasets import EpisodeDataset
from focus_mmdet.results.coco import CocoResults
from focus_mmdet.results.query_images import QueryImages


@pytest.fixture
def write(tmp_path):
    def write(found, path=None):
        path = path or tmp_path / 'out' / 'found.json'
        with CocoResults(path, QueryImages(tmp_path / 'out' / 'frames')) as results:
            for each in found:
                results.write(each)
        return path

    return write


def episodes(path, **sampler):
    return EpisodeDataset(
        ann_file=str(path),
        data_root=json.loads(path.read_text())['info']['root'],
        episodes=dict(type='RandomEpisodes', shots=1, **sampler),
        pipeline=[],
    )


def test_pycocotools_reads_boxes_scores_and_names(write, photos, located):
    path = write([*map(located, photos), located(photos[0], (0, 0, 9, 9), 0.75, reference='<b>"dog"</b>')])
    coco = COCO(str(path))
    assert [coco.cats[number]['name'] for number in coco.getCatIds()] == ['my cup', '<b>"dog"</b>']
    (dog,) = coco.loadAnns(coco.getAnnIds(catIds=[2]))
    assert (dog['bbox'], dog['score'], dog['area']) == ([0, 0, 9, 9], 0.75, 81)
    assert [each['bbox'] for each in coco.loadAnns(coco.getAnnIds(catIds=[1]))] == [
        [8.25, 4, 32.25, 26]
    ] * len(photos)
    root = coco.dataset['info']['root']
    for image in coco.loadImgs(coco.getImgIds()):
        with Image.open(os.path.join(root, image['file_name'])) as file:
            assert file.size == (image['width'], image['height'])


def test_what_was_found_trains(write, photos, clip, located):
    path = write(
        [
            *(located(each) for each in photos[:3]),
            *(located(clip, frame=number) for number in (0, 4)),
            located(photos[3], None, absent=True),
            located(photos[4], None),
            located(photos[5], (3, 3, 3.4, 40)),
        ]
    )
    content = json.loads(path.read_text())
    videos = {image['file_name']: (image['video_id'], image['frame_id']) for image in content['images']}
    assert list(videos.values())[2:5] == [(3, 0), (4, 0), (4, 4)]
    used = {os.path.basename(record['img_path']) for record in episodes(path, per_track=60)}
    assert used == {os.path.basename(name) for name in [*photos[:3], '000000.jpg', '000004.jpg']}
    without = {record['img_path'] for record in episodes(path, negatives=1.0, per_track=60)}
    assert without == {os.path.abspath(photos[3])}


def test_frames_are_kept_as_pictures_of_these_frames(write, clip, located):
    path = write([located(clip, frame=4), located(clip, frame=1), located(clip, frame=4, reference='dog')])
    content = json.loads(path.read_text())
    assert [image['frame_id'] for image in content['images']] == [4, 1]
    for image in content['images']:
        with Image.open(os.path.join(content['info']['root'], image['file_name'])) as file:
            assert abs(file.convert('L').getpixel((30, 20)) - 40 * image['frame_id']) < 6


def test_of_an_image_asked_twice_the_surer_box_stays(write, photos, located):
    name = photos[0]
    path = write(
        [
            located(name, (0, 0, 9, 9), 0.3),
            located(os.path.abspath(name), (1, 1, 9, 9), 0.6),
            located(name, (2, 2, 9, 9), 0.2),
            located(name, None, absent=True),
        ]
    )
    content = json.loads(path.read_text())
    assert [each['bbox'] for each in content['annotations']] == [[1, 1, 8, 8]]
    assert len(content['images']) == 1
    assert 'absent' not in content['images'][0]


def test_a_search_without_a_box_or_a_file_is_written_too(write, located, tmp_path):
    assert json.loads(write([]).read_text())['images'] == []
    assert 'root' not in write([]).read_text()
    path = write([located('query 0', None), located('query 1')])
    assert [image['file_name'] for image in COCO(str(path)).dataset['images']] == ['query 0', 'query 1']
