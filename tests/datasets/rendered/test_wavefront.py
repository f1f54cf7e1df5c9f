"""OBJ models with their materials; what is missing or broken is said."""

import cv2
import numpy as np
import pytest

from focus_mmdet.datasets.rendered.wavefront import read_model
from focus_mmdet.errors import InputError

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
            'usemtl paint\nf 1//1 2//1 3//1 4//1\nf 1 2\nusemtl wood\nf -4/-3 \\\n -3/2 3/3\n',
            'newmtl paint\nKd 0.9 0 0\nd 0.5\nnewmtl wood\nmap_Kd C:\\Textures\\wood.png\n',
        )
    )
    paint, wood = model.parts
    assert (paint.material.colour, paint.material.opacity, paint.material.texture) == ((0.9, 0, 0), 0.5, None)
    assert paint.sizes.tolist() == [4]
    assert wood.points[wood.corners].tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert wood.texture_points.tolist() == [[0, 0], [1, 0], [1, 1]]
    assert wood.material.texture[0, 0].tolist() == [10, 20, 30]
    assert model.missing == []


def test_textures_and_materials_that_are_missing_are_listed(tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'no image')
    model = read_model(
        *write(
            tmp_path,
            f'mtllib red paint.mtl\n{POINTS}usemtl gold\nf 1 2 3\nusemtl wood\nf 1 3 4\n',
            'newmtl wood\nmap_Kd wood.png\nnewmtl other\nmap_Kd broken.png\n',
        )
    )
    assert len(model.parts) == 2
    assert model.missing == ['material gold', 'texture broken.png', 'texture wood.png']


@pytest.mark.parametrize(
    ('obj', 'mtl', 'message'),
    [
        ('mtllib red paint.mtl\nf 1 2 3', None, r'red paint\.mtl: is missing'),
        ('mtllib red paint.mtl\nf 1 2 3', 'newmtl a\nKd red', r'red paint\.mtl, line 2: cannot be read'),
        ('', None, 'has no faces'),
        ('f 1 2 x', None, 'line 5: cannot be read'),
        ('v 1 2\nf 1 2 3', None, 'line 5: cannot be read'),
        ('f 1 2 9', None, 'a point that is not there'),
        ('f 0 1 2', None, 'a point that is not there'),
        ('f 1/1 2/1 3/1', None, 'a place in the texture that is not there'),
        ('v nan 0 0\nf 1 2 5', None, 'not finite'),
    ],
)
def test_what_is_broken_is_named(tmp_path, obj, mtl, message):
    with pytest.raises(InputError, match=message):
        read_model(*write(tmp_path, POINTS + obj, mtl))
