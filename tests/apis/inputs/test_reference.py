import errno
import os
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers, text, tuples
from PIL import Image
from safetensors.numpy import save_file

from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.errors import InputError


@pytest.fixture
def photos(tmp_path):
    """A JPEG that a camera turned, and a bitmap."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / 'turned.jpg', exif=turned)
    Image.fromarray(pixels).save(tmp_path / 'plain.bmp')
    return tmp_path / 'turned.jpg', tmp_path / 'plain.bmp'


def test_a_saved_reference_is_the_same(photos, tmp_path):
    array = np.full((20, 30, 3), 7, np.uint8)
    pillow = Image.fromarray(array[:, ::-1]).convert('P')
    cup = Reference.of(
        [
            (photos[0], (1, 2, 30, 50)),
            (photos[1], (5, 5, 9, 9)),
            (array, (0, 0, 30, 20)),
            (pillow, (1, 1, 9, 9)),
        ],
        'my \u676f',
        'model 1',
    )
    assert cup.images[0].shape == (60, 40, 3)
    cup.save(tmp_path / 'cup.focus')
    for path in photos:
        path.unlink()
    again = Reference.load(tmp_path / 'cup.focus')
    assert (again.name, again.boxes, again.model) == (cup.name, cup.boxes, cup.model)
    assert all(map(np.array_equal, again.images, cup.images))
    again.save(tmp_path / 'again.focus')
    assert (tmp_path / 'again.focus').read_bytes() == (tmp_path / 'cup.focus').read_bytes()


def test_a_jpeg_is_kept_as_it_is(photos, tmp_path):
    content = photos[0].read_bytes()
    Reference.of([(photos[0], (1, 2, 30, 50))]).save(tmp_path / 'cup.focus')
    assert content in (tmp_path / 'cup.focus').read_bytes()


def test_a_full_disk_leaves_the_old_file(photos, tmp_path, monkeypatch):
    path = tmp_path / 'cup.focus'
    cup = Reference.of([(photos[0], (1, 2, 30, 50))])
    cup.save(path)
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match=r'cup\.focus'):
        Reference.of([(photos[1], (1, 2, 30, 40))]).save(path)
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {'turned.jpg', 'plain.bmp', 'cup.focus'}


def test_a_folder_that_is_missing_is_named_and_not_made(photos, tmp_path):
    with pytest.raises(InputError, match=r'new/cup\.focus: there is no folder .*new'):
        Reference.of([(photos[0], (1, 2, 30, 50))]).save(tmp_path / 'new/cup.focus')
    assert not (tmp_path / 'new').exists()


def test_a_pair_that_is_in_no_list_is_told_so(photos):
    with pytest.raises(InputError, match=r'in a list: \[\(image, box\)\]'):
        Reference.of((photos[0], (1, 2, 30, 50)))


def test_another_file_is_not_replaced(photos):
    with pytest.raises(InputError, match=r'plain\.bmp: not a reference'):
        Reference.of([(photos[0], (1, 2, 30, 50))]).save(photos[1])


@pytest.mark.parametrize(
    ('said', 'message'),
    [
        (None, 'not a reference'),
        ({'focus_reference': '{"version": 1}'}, 'not a reference'),
        ({'focus_reference': '[]'}, 'not a reference'),
        ({'focus_reference': '[' * 100_000}, 'not a reference'),
        ({'focus_reference': '{"version": 2, "name": "", "boxes": [], "model": ""}'}, 'version 2'),
        ({'focus_reference': '{"version": 1, "name": "", "boxes": [], "model": ""}'}, 'no support'),
        ({'focus_reference': '{"version": 1, "name": "", "boxes": [[1, 1, 9, 9]], "model": ""}'}, 'image_0'),
    ],
)
def test_what_is_no_reference_is_named(tmp_path, said, message):
    save_file({'image_0': np.zeros(5, np.uint8)}, tmp_path / 'cup.focus', said)
    with pytest.raises(InputError, match=rf'cup\.focus: .*{message}'):
        Reference.load(tmp_path / 'cup.focus')


def test_a_broken_or_missing_file_is_named(photos, tmp_path):
    Reference.of([(photos[0], (1, 2, 30, 50))]).save(tmp_path / 'cup.focus')
    (tmp_path / 'cut.focus').write_bytes((tmp_path / 'cup.focus').read_bytes()[:-9])
    with pytest.raises(InputError, match=r'cut\.focus: the reference is cut or damaged'):
        Reference.load(tmp_path / 'cut.focus')
    with pytest.raises(InputError, match=r'gone\.focus: no such reference'):
        Reference.load(tmp_path / 'gone.focus')


@pytest.mark.parametrize('place', [0.3, 0.9])
def test_a_flipped_byte_is_noticed(photos, tmp_path, place):
    path = tmp_path / 'cup.focus'
    Reference.of([(photos[0], (1, 2, 30, 50))]).save(path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)
    with pytest.raises(InputError, match=r'cup\.focus: .*damaged'):
        Reference.load(path)


@given(name=text(), box=tuples(integers(0, 20), integers(0, 30), integers(25, 40), integers(35, 60)))
def test_any_name_and_box_come_back(name, box):
    with TemporaryDirectory() as folder:
        cup = Reference.of([(np.zeros((60, 40, 3), np.uint8), box)], name)
        cup.save(f'{folder}/cup.focus')
        again = Reference.load(f'{folder}/cup.focus')
        assert (again.name, again.boxes) == (cup.name, cup.boxes)


def test_a_name_that_is_no_text_is_mended_or_refused(photos, tmp_path):
    mended = Reference.of([(photos[0], (1, 2, 30, 50))], 'b\udcff')
    mended.save(tmp_path / 'b.focus')
    assert Reference.load(tmp_path / 'b.focus').name == mended.name == 'b?'
    with pytest.raises(InputError, match=r"name=b'by': give text"):
        Reference.of([(photos[0], (1, 2, 30, 50))], b'by')


def test_nothing_but_a_reference_is_replaced(photos, tmp_path):
    cup = Reference.of([(photos[0], (1, 2, 30, 50))])
    other = tmp_path / 'clip.mp4'
    other.write_bytes(b'mine')
    with pytest.raises(InputError, match=r'clip\.mp4: .*choose another file'):
        cup.save(other)
    assert other.read_bytes() == b'mine'
    with pytest.raises(InputError, match='no ordinary file; choose another'):
        cup.save(tmp_path)
