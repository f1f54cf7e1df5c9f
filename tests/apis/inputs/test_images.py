"""An image is the same pixels as a file and as an image of Pillow's, and what it cannot be is said."""

import numpy as np
import pytest
from PIL import Image

from focus_mmdet.apis.inputs.images import read_rgb
from focus_mmdet.errors import InputError


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8)


def test_sixteen_bits_are_read_alike_from_a_file_and_from_pillow(grey, tmp_path):
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / 'deep.png')
    with Image.open(tmp_path / 'deep.png') as image:
        assert image.mode == 'I;16'
        opened = read_rgb(image, 'query 0')
    assert np.array_equal(opened, read_rgb(tmp_path / 'deep.png', ''))
    assert np.array_equal(opened, np.dstack([grey] * 3))


@pytest.mark.parametrize('kind', [np.float32, np.int32])
def test_values_without_a_known_white_are_refused(grey, kind):
    with pytest.raises(InputError, match=r'query 0: .*what is white is not known'):
        read_rgb(Image.fromarray(grey.astype(kind)), 'query 0')


def test_what_is_no_single_picture_is_said_to_be_a_folder_or_a_video(tmp_path):
    with pytest.raises(InputError, match='a folder without pictures'):
        read_rgb(tmp_path, '')
    (tmp_path / 'clip.mp4').write_bytes(b'0')
    with pytest.raises(InputError, match=r'a video; name a frame of it, \S*clip\.mp4#0'):
        read_rgb(tmp_path / 'clip.mp4', '')
