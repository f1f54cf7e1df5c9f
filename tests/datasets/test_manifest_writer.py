import json

import pytest

from focus_mmdet.datasets.manifest_writer import ManifestWriter
from focus_mmdet.errors import InputError

FRAME = dict(file_name='a.jpg', width=9, height=9, bbox=[0, 0, 2, 2])


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / 'new' / 'x.json'
    writer = ManifestWriter(path)
    writer.add_episode('1', [FRAME], FRAME)
    writer.write()
    assert json.loads(path.read_text()) == {'episodes': [dict(id='1', supports=[FRAME], query=FRAME)]}
    empty = ManifestWriter(path)
    empty.drop('because', 'record 3')
    with pytest.raises(InputError, match='because; the first: record 3\nnothing is left'):
        empty.write()
    assert list(path.parent.iterdir()) == [path]
    assert len(json.loads(path.read_text())['episodes']) == 1


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('x')
    for path in (tmp_path, tmp_path / 'file' / 'x.json'):
        writer = ManifestWriter(path)
        writer.add_episode('1', [FRAME], FRAME)
        with pytest.raises(InputError, match='cannot be written'):
            writer.write()
