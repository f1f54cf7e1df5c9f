"""Queries are found once more, and named without harm."""

import os

import pytest

from focus_mmdet.errors import InputError
from focus_mmdet.results.query_images import FramesInOrder, QueryImages, safe_name


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
