"""Views of models: right colours the right way round, trimmed, alike each time."""

import cv2
import numpy as np
import pytest

from focus_mmdet.datasets.rendered import renderer

#: An upright card of 2 x 1 with a picture on it, seen from z.
CARD = """mtllib card.mtl
v -1 0 0
v 1 0 0
v 1 1 0
v -1 1 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl picture
f 1/1 2/2 3/3 4/4
"""


@pytest.fixture
def models(tmp_path):
    """A card whose left half is red and whose right half is blue, and models that are broken or flat."""
    folder = tmp_path / 'toys'
    folder.mkdir()
    (folder / 'card.obj').write_text(CARD)
    (folder / 'card.mtl').write_text('newmtl picture\nKd 0 0 0\nmap_Kd card.png\n')
    pixels = np.full((32, 64, 3), (0, 0, 255), np.uint8)
    pixels[:, 32:] = (255, 0, 0)
    cv2.imwrite(str(folder / 'card.png'), pixels)
    (folder / 'lost.obj').write_text(CARD.replace('card.mtl', 'lost.mtl'))
    (folder / 'point.obj').write_text('v 1 1 1\nf 1 1 1\n')
    return folder


def test_views_show_the_object_in_its_colours(convert, models, tmp_path):
    pytest.importorskip('trimesh')
    pytest.importorskip('vtk')
    outs = [tmp_path / 'a', tmp_path / 'b']
    for out in outs:
        done = convert('render_objects', models, '--out', out, '--views', 4, '--side', 64)
        assert done.status == 0, done.err
        assert '1 left out, cannot be read: toys-lost' in done.out
        assert '1 left out, nearly nothing to see: toys-point' in done.out
    files = sorted((outs[0] / 'toys-card').iterdir())
    assert [file.name for file in files] == ['00.webp', '01.webp', '02.webp', '03.webp']
    assert len({file.read_bytes() for file in files}) == 4
    for file in files:
        assert file.read_bytes() == (outs[1] / 'toys-card' / file.name).read_bytes()
        view = cv2.imread(str(file), cv2.IMREAD_UNCHANGED).astype(int)
        height, width, channels = view.shape
        assert (max(height, width), channels) == (64, 4)
        assert view[height // 2, width // 2, 3] == 255
        assert all(edge.max() > 64 for edge in (view[0, :, 3], view[-1, :, 3], view[:, 0, 3], view[:, -1, 3]))
        blue, _, red = np.moveaxis(view[..., :3], -1, 0)
        columns = np.arange(width)[None] + np.zeros((height, 1))
        solid = view[..., 3] > 250
        assert columns[solid & (red > blue + 50)].mean() < columns[solid & (blue > red + 50)].mean()
    assert (outs[0] / 'CREDITS.txt').read_text().startswith('toys-card: card.obj of ')


def test_what_turns_is_seen_in_even_steps_from_side_to_side(convert, models, tmp_path):
    pytest.importorskip('trimesh')
    pytest.importorskip('vtk')
    done = convert(
        'render_objects', models, '--out', tmp_path / 'a', '--turning', '--views', 11, '--side', 64
    )
    assert done.status == 0, done.err
    views = [cv2.imread(str(file), -1) for file in sorted((tmp_path / 'a/toys-card').iterdir())]
    shapes = [view.shape[1] / view.shape[0] for view in views]
    # Perspective and roll alone make one side differ from the other.
    assert shapes[:6] == sorted(shapes[:6])
    assert shapes[5:] == sorted(shapes[5:], reverse=True)
    assert len(views) == len({view.tobytes() for view in views}) == 11


def test_parts_are_told_apart_by_name(convert, models, tmp_path):
    pytest.importorskip('trimesh')
    pytest.importorskip('vtk')
    for number in range(12):
        (models / f'card{number}.obj').write_text(CARD)
    names = {}
    for part in ('all', 'train', 'val'):
        arguments = ('--out', tmp_path / part, '--views', 1, '--side', 32, '--part', part)
        done = convert('render_objects', models, *arguments)
        assert done.status == 0, done.err
        names[part] = {path.name for path in (tmp_path / part).iterdir() if path.is_dir()}
    assert names['train'] | names['val'] == names['all']
    assert names['val']
    assert not names['train'] & names['val']


def test_what_cannot_be_done_is_said(convert, models, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    assert convert('render_objects', models, '--out', models).refused('is not empty')
    monkeypatch.setattr(renderer, 'vtk', None)
    assert convert('render_objects', models, '--out', out).refused('pip install trimesh vtk')
    assert not out.exists()
