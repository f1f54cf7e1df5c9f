"""Videos of objects that turn: boxes that hold them, a gap, and episodes that a tracker is asked for."""

import json

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS

from tests.conftest import ROOT

PHOTOS = ROOT / 'data/realset/val.json'
COLOURS = {'red': (0, 0, 255), 'green': (0, 255, 0), 'blue': (255, 0, 0), 'pink': (255, 0, 255)}


@pytest.fixture
def views(tmp_path):
    """Four cards, each of one colour, that become narrower while they turn."""
    for name, colour in COLOURS.items():
        folder = tmp_path / 'views' / name
        folder.mkdir(parents=True)
        for number in range(24):
            view = np.full((60, 60 - 2 * number, 4), (*colour, 255), np.uint8)
            cv2.imwrite(str(folder / f'{number:02d}.webp'), view, [cv2.IMWRITE_WEBP_QUALITY, 101])
    (tmp_path / 'views/CREDITS.txt').write_text('')
    return tmp_path / 'views'


def test_boxes_hold_what_turns_and_it_is_gone_for_a_while(convert, views, tmp_path):
    outs = [tmp_path / 'a', tmp_path / 'b']
    for out in outs:
        done = convert('turning_videos', PHOTOS, views, '--out', out, '--videos', 3)
        assert done.status == 0, done.err
    assert '3 objects in 3 videos, 72 images, 60 boxes' in done.out
    assert (outs[0] / 'videos.json').read_bytes() == (outs[1] / 'videos.json').read_bytes()
    content = json.loads((outs[0] / 'videos.json').read_text())
    boxes = {each['image_id']: each['bbox'] for each in content['annotations']}
    for image in content['images']:
        assert (image['id'] in boxes) == ('absent' not in image) == (not 10 <= image['frame_id'] < 14)
        pixels = cv2.imread(str(outs[0] / image['file_name'])).astype(int)
        near = (abs(pixels - COLOURS[image['video_id']]) < 40).all(2)
        if image['id'] in boxes:
            x, y, width, height = map(int, boxes[image['id']])
            assert near[y + 3 : y + height - 3, x + 3 : x + width - 3].all()


def test_a_tracker_is_asked_for_all_frames_after_the_first(convert, views, tmp_path):
    convert('turning_videos', PHOTOS, views, '--out', tmp_path / 'a', '--videos', 2)
    dataset = DATASETS.build(
        dict(
            type='EpisodeDataset',
            data_root=str(tmp_path / 'a'),
            ann_file='videos.json',
            episodes=dict(type='FirstFramesEpisodes'),
            pipeline=[],
        )
    )
    asked = [dataset[index] for index in range(len(dataset))]
    assert len(asked) == 2 * 23
    assert [episode['img_path'][-7:-4] for episode in asked] == [
        f'{number:03d}' for number in range(1, 24)
    ] * 2
    assert [bool(episode['instances']) for episode in asked[:23]] == [
        not 9 <= place < 13 for place in range(23)
    ]


def test_what_cannot_be_done_is_said(convert, views, tmp_path):
    (views / 'red/00.webp').write_bytes(b'')
    assert convert('turning_videos', PHOTOS, views, '--out', tmp_path / 'a').refused(
        'red/00.webp: cannot be read'
    )
    for file in sorted((views / 'red').iterdir())[1:]:
        file.unlink()
    cv2.imwrite(str(views / 'red/00.webp'), np.zeros((8, 8, 4), np.uint8))
    assert convert('turning_videos', PHOTOS, views, '--out', tmp_path / 'a').refused('red: one view')
    few = tmp_path / 'few'
    (few / 'empty').mkdir(parents=True)
    done = convert('turning_videos', PHOTOS, few, '--out', tmp_path / 'a')
    assert done.refused('0 folders with views (*.webp), and a video shows three objects')
    assert convert('turning_videos', PHOTOS, tmp_path / 'gone', '--out', tmp_path / 'a').refused('gone')
