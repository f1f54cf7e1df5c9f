"""OBJ models with their materials; what is missing or broken is said."""

import zipfile

import cv2
import numpy as np
import pytest

from focus_mmdet.datasets.rendered.wavefront import read_model
from focus_mmdet.errors import InputError

pytest.importorskip('trimesh')

POINTS = 'v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n'


def write(folder, obj, mtl=None):
    (folder / 'card.obj').write_text(obj)
    if mtl is not None:
        (folder / 'red paint.mtl').write_text(mtl)
    return folder, 'card.obj'


def test_faces_have_the_material_and_the_texture_that_they_name(tmp_path):
    cv2.imwrite(str(tmp_path / 'wood.png'), np.full((4, 2, 3), (10, 20, 30), np.uint8))
    model = read_model(
        *write(
            tmp_path,
            f'mtllib red paint.mtl\r\n{POINTS}vt 0 0\nvt 1 0\nvt 1 1\n'
            'usemtl paint\nf 1//1 2//1 3//1 4//1\nf 1 2\nusemtl wood\nf -4/-3 \\\n -3/2 3/3\n'
            'usemtl gold\nf 1/1 2/2 3/3\n',
            'newmtl paint\nKd 0.9 0 0\nd 0.5\nnewmtl wood\nmap_Kd C:\\Textures\\wood.png\n',
        )
    )
    gold, paint, wood = sorted(model.parts, key=lambda part: (part.texture is not None, part.colour[0]))
    assert (gold.colour.tolist(), gold.texture) == ([0.8, 0.8, 0.8], None)
    assert (paint.colour.tolist(), paint.opacity, len(paint.faces)) == ([0.9, 0, 0], 0.5, 2)
    assert wood.points[wood.faces[0]].tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert wood.texture_points[wood.faces[0]].tolist() == [[0, 0], [1, 0], [1, 1]]
    assert wood.texture[0, 0].tolist() == [30, 20, 10, 255]
    assert model.missing == []


def test_textures_that_are_missing_are_listed(tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'no image')
    model = read_model(
        *write(
            tmp_path,
            f'mtllib red paint.mtl\n{POINTS}usemtl gold\nf 1 2 3\nusemtl wood\nf 1 3 4\n',
            'newmtl wood\nmap_Kd wood.png\nnewmtl other\nmap_Kd broken.png\n',
        )
    )
    assert len(model.parts) == 2
    assert model.missing == ['broken.png', 'wood.png']


@pytest.mark.parametrize(
    ('obj', 'mtl', 'message'),
    [
        ('mtllib red paint.mtl\nf 1 2 3', None, r'red paint\.mtl: is missing'),
        ('mtllib red paint.mtl\nusemtl a\nf 1 2 3', 'newmtl a\nd red', r'card\.obj: cannot be read'),
        ('', None, 'has no faces'),
        ('f 1 2 x', None, r'card\.obj: cannot be read'),
        ('v 1 2\nf 1 2 3', None, 'three finite numbers'),
        ('f 1 2 9', None, r'card\.obj: cannot be read'),
        ('f -4 -3 -2\nv 1 2 3', None, 'negative indices'),
        ('v nan 0 0\nf 1 2 5', None, 'three finite numbers'),
    ],
)
def test_what_is_broken_is_named(tmp_path, obj, mtl, message):
    with pytest.raises(InputError, match=message):
        read_model(*write(tmp_path, POINTS + obj, mtl))


@pytest.mark.parametrize('place', ['', 'toys/'])
def test_a_zip_is_read_where_it_lies(tmp_path, place):
    cv2.imwrite(str(tmp_path / 'wood.png'), np.zeros((2, 2, 3), np.uint8))
    write(tmp_path, f'mtllib red paint.mtl\n{POINTS}usemtl wood\nf 1 2 3', 'newmtl wood\nmap_Kd wood.png')
    with zipfile.ZipFile(tmp_path / 'toys.zip', 'w') as archive:
        for name in ('card.obj', 'red paint.mtl', 'wood.png'):
            archive.write(tmp_path / name, place + name)
    model = read_model(zipfile.Path(tmp_path / 'toys.zip'), f'{place}card.obj')
    assert model.parts[0].texture.shape == (2, 2, 4)
    assert model.missing == []
