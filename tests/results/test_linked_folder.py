"""Labels lie beside links to their images, under harmless names."""

import json
import os
import re

import pytest
import yaml

from focus_mmdet.errors import InputError
from focus_mmdet.results.labelme import LabelMeResults
from focus_mmdet.results.query_images import QueryImages
from focus_mmdet.results.yolo import YoloResults
from tests.results.conftest import HEIGHT, WIDTH


@pytest.fixture
def write(tmp_path):
    def write(kind, found):
        with kind(tmp_path / 'out' / 'labels', QueryImages(tmp_path / 'out' / 'frames')) as results:
            for each in found:
                results.write(each)
        return tmp_path / 'out' / 'labels'

    return write


def test_yolo_gives_the_boxes_back_beside_their_images(write, photos, located, clip):
    dog = located(photos[1], (0, 0, 64, 48), reference='dog\n0 1 1 1 1')
    folder = write(YoloResults, [*map(located, photos), dog, located(clip, None, frame=2)])
    assert (folder / 'classes.txt').read_text().splitlines() == ['my cup', 'dog 0 1 1 1 1']
    assert yaml.safe_load((folder / 'data.yaml').read_text()) == {
        'train': 'images', 'val': 'images', 'names': {0: 'my cup', 1: 'dog 0 1 1 1 1'},
    }  # fmt: skip
    images = sorted((folder / 'images').iterdir())
    labels = sorted((folder / 'labels').iterdir())
    assert [path.stem for path in images] == [path.stem for path in labels]
    assert all(re.fullmatch(r'[\w.-]+', path.name) for path in images)
    sources = [os.path.abspath(photo) for photo in photos]
    assert [os.path.realpath(path) for path in images[:-1]] == list(map(os.path.realpath, sources))
    assert os.path.realpath(images[-1]).endswith('000002.jpg')
    lines = [path.read_text().splitlines() for path in labels]
    assert [len(each) for each in lines] == [1, 2, *[1] * (len(photos) - 2), 0]
    kind, *shares = map(float, lines[0][0].split())
    x, y, w, h = (share * side for share, side in zip(shares, (WIDTH, HEIGHT) * 2, strict=True))
    assert kind == 0
    assert (x - w / 2, y - h / 2, x + w / 2, y + h / 2) == pytest.approx((8.25, 4, 40.5, 30), abs=1e-3)
    assert lines[1][1] == '1 0.500000 0.500000 1.000000 1.000000'


def test_labelme_finds_image_and_boxes(write, photos, located):
    folder = write(LabelMeResults, [*map(located, photos), located(photos[0], (0, 0, 9, 9), reference='dog')])
    files = sorted(folder.glob('*.json'))
    assert len(files) == len(photos)
    for path in files:
        content = json.loads(path.read_text())
        assert (folder / content['imagePath']).is_file()
        assert (folder / content['imagePath']).stem == path.stem
        assert (content['imageWidth'], content['imageHeight']) == (WIDTH, HEIGHT)
        assert content['shapes'][0]['points'] == [[8.25, 4], [40.5, 30]]
    first = json.loads(files[0].read_text())['shapes']
    assert [(shape['label'], shape['score']) for shape in first] == [('my cup', 0.5), ('dog', 0.5)]


@pytest.mark.parametrize('kind', [YoloResults, LabelMeResults])
def test_labels_that_may_have_been_corrected_are_left_alone(write, photos, located, kind):
    folder = write(kind, [located(photos[0])])
    with pytest.raises(InputError, match='labels: exists, and its labels may have been corrected'):
        write(kind, [])
    assert list(folder.rglob('*plain*'))
