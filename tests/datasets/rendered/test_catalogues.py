"""Models of catalogues and folders: each once, under a name of its own, with who made it."""

import zipfile

import pytest

from focus_mmdet.datasets.rendered.catalogues import CATALOGUE, find_sources
from focus_mmdet.datasets.rendered.wavefront import read_model
from focus_mmdet.errors import InputError

TRIANGLE = 'v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\n'
GENERAL = 'name=Things\nlicense=CC BY \xa9 2020\n'


def write_catalogue(path, records, models=(), general=GENERAL):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr(CATALOGUE, (general + records).encode('latin-1'))
        for model in models:
            archive.writestr(model, TRIANGLE)
    return path


def test_a_catalogue_says_what_is_whose_and_leaves_out_doors(tmp_path):
    records = (
        'name#1=Bill 10\\u20ac\nmodel#1=/a/Bill.obj\ncreator#1=Ann\nmodelRotation#1=1 0 0 0 0 1 0 -1 0\n'
        'name#2=Door\nmodel#2=/a/door.obj\ndoorOrWindow#2=true\n'
        'name#3=Stairs\nmodel#3=/a/stairs.obj\nstaircaseCutOutShape#3=M0\n'
        'model#4=/b/bill.obj\nmodel#5=/b/bill.obj\nmodel#6=/c/chair.dae\n'
    )
    path = write_catalogue(tmp_path / 'My shop.sh3f', records, ['a/Bill.obj', 'b/bill.obj'])
    bill, other = find_sources([path])
    assert (bill.name, bill.credit) == ('my_shop-bill', 'Bill 10€, Things, by Ann, CC BY © 2020')
    assert bill.rotation.tolist() == [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    assert (other.name, other.file) == ('my_shop-bill-2', 'b/bill.obj')
    assert other.folder.joinpath(other.file).read_text() == TRIANGLE
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / 'My shop')
    assert [source.name for source in find_sources([tmp_path / 'My shop'])] == [bill.name, other.name]


def test_a_folder_is_read_with_what_lies_in_it(tmp_path):
    for name in ('shelf/chair.obj', 'chair.OBJ', 'readme.txt'):
        path = tmp_path / 'models' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TRIANGLE)
    sources = find_sources([tmp_path / 'models'])
    assert [source.name for source in sources] == ['models-chair', 'models-chair-2']
    assert [source.file for source in sources] == ['chair.OBJ', 'shelf/chair.obj']


def test_nothing_outside_a_zip_is_read(tmp_path):
    (tmp_path / 'secret.obj').write_text(TRIANGLE)
    names = ('../secret.obj', f'{tmp_path}/secret.obj', 'a/../../secret.obj')
    records = ''.join(f'model#{number}={name}\n' for number, name in enumerate(names))
    for source in find_sources([write_catalogue(tmp_path / 'shop.sh3f', records)]):
        with pytest.raises(InputError, match='is missing'):
            read_model(source.folder, source.file)


def test_what_is_no_catalogue_is_said(tmp_path):
    good = write_catalogue(tmp_path / 'good.sh3f', 'model#1=a.obj\n', ['a.obj'])
    (tmp_path / 'cut.sh3f').write_bytes(good.read_bytes()[:-30])
    with zipfile.ZipFile(tmp_path / 'other.zip', 'w') as archive:
        archive.writestr('a.obj', TRIANGLE)
    write_catalogue(tmp_path / 'bare.sh3f', '')
    write_catalogue(tmp_path / 'turned.sh3f', 'model#1=a.obj\nmodelRotation#1=1 0\n')
    (tmp_path / 'empty').mkdir()
    for name, message in {
        'nowhere': 'no such file or folder',
        'cut.sh3f': 'cannot be read as a zip',
        'other.zip': 'no catalogue of Sweet Home 3D',
        'bare.sh3f': 'no models there',
        'empty': 'no models there',
        'turned.sh3f': 'modelRotation is not nine numbers',
    }.items():
        with pytest.raises(InputError, match=message):
            find_sources([good, tmp_path / name])
