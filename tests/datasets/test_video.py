"""Frames have the numbers that a player counts, in every container."""

import cv2
import numpy as np
import pytest

from focus_mmdet.datasets.video import SUFFIXES, read_frames
from focus_mmdet.errors import InputError

CODECS = {
    '.mp4': 'mp4v', '.m4v': 'mp4v', '.mov': 'mp4v', '.mkv': 'mp4v', '.webm': 'VP80', '.avi': 'MJPG',
    '.mpg': 'mpg2', '.mpeg': 'mpg2', '.wmv': 'WMV2', '.flv': 'FLV1', '.3gp': 'mp4v', '.ts': 'mpg2',
    '.mts': 'mpg2', '.m2ts': 'mpg2', '.ogv': 'VP80',
}  # fmt: skip


def numbered(number):
    """A frame that shows its number as eight stripes."""
    bits = np.array([number >> place & 1 for place in range(8)], np.uint8)
    return np.broadcast_to(bits.repeat(8)[None, :, None] * 255, (48, 64, 3)).copy()


def number_of(frame):
    stripes = frame.reshape(48, 8, 8, 3)[8:40, :, 2:6].mean((0, 2, 3))
    return sum(1 << place for place in range(8) if stripes[place] > 127)


def test_every_listed_container_is_tried():
    assert set(CODECS) == SUFFIXES


@pytest.mark.parametrize('suffix', CODECS)
def test_a_number_finds_the_frame_that_comes_in_that_place(tmp_path, suffix):
    path = str(tmp_path / f'clip{suffix}')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*CODECS[suffix]), 25, (64, 48))
    if not writer.isOpened():
        pytest.skip(f'this OpenCV writes no {suffix}')
    for number in range(30):
        writer.write(numbered(number))
    writer.release()
    assert [(number, number_of(frame)) for number, frame in read_frames(path)] == [(n, n) for n in range(30)]
    for first in (3, 14, 29):
        number, frame = next(read_frames(path, first=first))
        assert number == number_of(frame) == first
    with pytest.raises(InputError, match=rf'clip\{suffix}: no frame 30: it has 30 frames'):
        next(read_frames(path, first=30))
