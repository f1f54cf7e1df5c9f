"""What was followed can be read by others, and by our own datasets."""

import json

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from focus_mmdet.datasets import EpisodeDataset
from focus_mmdet.datasets.video import read_frames
from focus_mmdet.errors import InputError
from focus_mmdet.results.located import Located
from focus_mmdet.results.tracks.track_files import TrackFiles, check_apart, draw_boxes

SIZE = (96, 64)


def answer(number, box, reference='cup'):
    return Located('clip.mp4', number, reference, SIZE, box, 0.75 * (box is not None), box is None, '')


def frame(number):
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[..., 0] = 20 * number
    return pixels


@pytest.fixture
def folder(tmp_path):
    """Two objects in four frames; the dog is in the last alone."""
    with TrackFiles(tmp_path / 'out', 'clip.mp4', ['cup', 'dog'], 10.0, frames=True) as files:
        for number in range(4):
            dog = (50.0, 8.0, 80.0, 40.0) if number == 3 else None
            found = [answer(number, (number, 10.5, number + 20.0, 30.0)), answer(number, dog, 'dog')]
            files.add(number, frame(number), found)
    return tmp_path / 'out'


def test_mot_lines_count_from_one_and_leave_out_what_is_absent(folder):
    lines = (folder / 'mot.txt').read_text().splitlines()
    assert lines[0] == '1,1,1.00,11.50,20.00,19.50,0.7500,-1,-1,-1'
    assert [line.split(',')[:2] for line in lines] == [
        ['1', '1'],
        ['2', '1'],
        ['3', '1'],
        ['4', '1'],
        ['4', '2'],
    ]


def test_the_json_is_coco_and_becomes_episodes(folder):
    coco = COCO(str(folder / 'annotations.json'))
    assert [coco.anns[each]['bbox'] for each in coco.getAnnIds(catIds=[2])] == [[50, 8, 30, 32]]
    assert [image['absent'] for image in coco.dataset['images']] == [[2], [2], [2], []]
    episodes = EpisodeDataset(
        ann_file='annotations.json', data_root=str(folder), data_prefix=dict(img=''), bad_records='drop',
        episodes=dict(type='RandomEpisodes', per_track=2), pipeline=[], serialize_data=False,
    )  # fmt: skip
    assert len(episodes) == 2  # of the cup: the dog is in one image alone
    assert episodes.get_data_info(0)['img_path'].startswith(str(folder / 'frames'))


def test_the_video_has_every_frame_in_order_with_its_boxes(folder):
    shown = list(read_frames(str(folder / 'video.mp4')))
    assert [number for number, _ in shown] == [0, 1, 2, 3]
    for number, pixels in shown:
        assert abs(int(np.median(pixels[..., 0])) - 20 * number) < 12
    assert cv2.VideoCapture(str(folder / 'video.mp4')).get(cv2.CAP_PROP_FPS) == 10


def test_boxes_are_drawn_on_a_copy_at_their_place():
    pixels = frame(0)
    drawn = draw_boxes(pixels, [answer(0, (10.0, 30.0, 40.0, 60.0)), answer(0, None, 'dog')])
    assert not pixels.any()
    rows, columns = np.nonzero(drawn[30:].any(-1))
    assert (columns.min(), rows.min() + 30, columns.max(), rows.max() + 30) == (10, 30, 40, 60)


def write(folder, *frames, stop=None):
    with TrackFiles(folder, 'clip', ['cup'], 10.0) as files:
        for number, pixels in enumerate(frames):
            files.add(number, pixels, [answer(number, (1.0, 1.0, 9.0, 9.0))])
        if stop is not None:
            raise stop


def test_a_stop_half_way_leaves_whole_files(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, frame(0), stop=KeyboardInterrupt())
    assert len(json.loads((tmp_path / 'annotations.json').read_text())['images']) == 1
    assert len((tmp_path / 'mot.txt').read_text().splitlines()) == 1
    assert len(list(read_frames(str(tmp_path / 'video.mp4')))) == 1


def test_frames_of_another_size_are_named(tmp_path):
    with pytest.raises(InputError, match=r'clip, frame 1 .*: 40 x 30 pixels, the first has 96 x 64'):
        write(tmp_path, frame(0), np.zeros((30, 40, 3), np.uint8))


def test_a_run_without_a_frame_leaves_an_earlier_ones_files(tmp_path):
    write(tmp_path, frame(0))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError):
        write(tmp_path, stop=InputError('clip: no frame can be read'))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert len(before) == 3


def test_a_video_that_cannot_be_written_leaves_an_earlier_runs_answers(tmp_path):
    write(tmp_path, frame(0))
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != '.mp4'}
    slow = TrackFiles(tmp_path, 'clip.mp4', ['cup'], 0.0)
    with pytest.raises(InputError, match='with 0 frames a second'), slow as files:
        files.add(0, frame(0), [answer(0, None)])
    assert {path: path.read_bytes() for path in before} == before
    assert len(before) == 2


@pytest.mark.parametrize('saved_before', [False, True])
def test_pictures_that_no_run_saved_are_not_written_over(tmp_path, saved_before):
    mine = tmp_path / 'frames/000001.jpg'
    with TrackFiles(tmp_path, 'clip.mp4', ['cup'], 10.0, frames=saved_before) as files:
        files.add(0, frame(0), [answer(0, None)])
        if not saved_before:
            files.add(1, frame(1), [answer(1, None)])
    with TrackFiles(tmp_path, 'clip.mp4', ['cup'], 10.0, frames=True):
        pass
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b'mine')
    with pytest.raises(InputError, match='no earlier run saved this frame'):
        TrackFiles(tmp_path, 'clip.mp4', ['cup'], 10.0, frames=True)
    TrackFiles(tmp_path, 'clip.mp4', ['cup'], 10.0)
    assert mine.read_bytes() == b'mine'


def test_frames_of_all_earlier_runs_are_known(tmp_path):
    """Also where one of them asked fewer frames, or saved none."""
    for numbers, frames in (((0, 1, 2), True), ((0,), True), ((0,), False), ((0, 1), True)):
        with TrackFiles(tmp_path, 'clip.mp4', ['cup'], 10.0, frames=frames) as files:
            for number in numbers:
                files.add(number, frame(number), [answer(number, None)])
    assert len(list((tmp_path / 'frames').iterdir())) == 3


def test_what_is_read_is_not_written_over(folder):
    for name in ('video.mp4', 'frames', '', '../out'):
        with pytest.raises(InputError, match='would be written over'):
            check_apart(folder, folder / name)
    check_apart(folder, folder.parent)
    check_apart(folder, folder / 'clip.mp4')


def test_an_object_that_was_never_found_is_no_obstacle_to_training(tmp_path):
    with TrackFiles(tmp_path, 'clip.mp4', ['cup', 'dog'], 10.0, frames=True) as files:
        for number in range(2):
            found = [answer(number, (number, 10.5, number + 20.0, 30.0)), answer(number, None, 'dog')]
            files.add(number, frame(number), found)
    episodes = EpisodeDataset(
        ann_file='annotations.json', data_root=str(tmp_path), data_prefix=dict(img=''),
        episodes=dict(type='RandomEpisodes', shots=1), pipeline=[], serialize_data=False,
    )  # fmt: skip
    assert len(episodes) == 1
