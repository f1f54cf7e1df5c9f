"""Queries are found once more, and named without harm."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from focus_mmdet.datasets.queries import list_queries
from focus_mmdet.errors import InputError
from focus_mmdet.results.query_images import FramesInOrder, QueryImages, safe_name, save_answer


@pytest.mark.parametrize('stem', ['a' * 250, 'ü' * 125, '../<b>', 'a\nb', '\udcff', ''])
def test_safe_names_are_different_and_leave_room(stem):
    names = [safe_name(number, f'{stem}.jpg') for number in range(2)]
    assert len(set(names)) == 2
    for name in names:
        assert len(os.fsencode(f'.{name}_000000.png.4194304.part')) <= 255
        assert not set(name) & set('/<>\n\udcff')


def test_frames_come_in_any_order(clip):
    frames = FramesInOrder()
    for number in (1, 1, 4, 0, 5):
        assert abs(frames.read(clip, number).mean() - 40 * number) < 6
    with pytest.raises(InputError, match='no frame 6'):
        frames.read(clip, 6)
    assert abs(frames.read(clip, 2).mean() - 80) < 6


def test_what_is_no_file_or_has_vanished_is_none(tmp_path, located):
    images = QueryImages(tmp_path)
    assert images.file(located('query 3')) is None
    assert images.pixels(located('query 3'), 100) is None
    assert images.pixels(located('gone.mp4', frame=3), 100) is None


def test_frames_of_videos_of_one_name_lie_apart(tmp_path, clip, located):
    """Labels that were corrected lead to them, and a later search may be of another video."""
    other = tmp_path / 'other' / os.path.basename(clip)
    other.parent.mkdir()
    shutil.copy(clip, other)
    files = [QueryImages(tmp_path / 'out').file(located(str(path), frame=2)) for path in (clip, other, clip)]
    assert files[0] == files[2] != files[1]
    assert all(map(os.path.isfile, files))


def test_a_picture_of_an_answer_is_known_and_takes_the_place_of_no_other_file(tmp_path):
    path, pixels = tmp_path / '00000_a.png', np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    for shown in (pixels, pixels[::-1]):
        save_answer(shown, path)
        assert np.array_equal(np.asarray(Image.open(path)), shown)
    Image.fromarray(pixels).save(tmp_path / 'mine.png')
    before = (tmp_path / 'mine.png').read_bytes()
    with pytest.raises(InputError, match=r'mine\.png: exists, and this tool did not write it'):
        save_answer(pixels, tmp_path / 'mine.png')
    assert (tmp_path / 'mine.png').read_bytes() == before
    assert list_queries([str(tmp_path)]) == [str(tmp_path / 'mine.png')]
