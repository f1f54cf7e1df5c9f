"""Whatever ends a search, what was found until then is kept, whole."""

import csv
import json
import resource
import shutil

import pytest

from focus_mmdet.errors import InputError
from focus_mmdet.results import FORMATS, ResultFiles


def contents(folder):
    """How many answers each file holds."""
    with open(folder / 'found.csv', newline='') as file:
        rows = len(list(csv.DictReader(file)))
    return {
        'coco': len(json.loads((folder / 'found.json').read_text())['annotations']),
        'yolo': len(list((folder / 'found_yolo/labels').iterdir())),
        'labelme': len([json.loads(path.read_text()) for path in (folder / 'found_labelme').glob('*.json')]),
        'csv': rows,
        'html': (folder / 'found.html').read_text().count('<img '),
        'jsonl': len(list(map(json.loads, (folder / 'found.jsonl').read_text().splitlines()))),
    }


def search(folder, found, end=None):
    with ResultFiles(folder, list(FORMATS)) as results:
        for each in found:
            results.write(each)
        if end is not None:
            raise end


@pytest.mark.parametrize('end', [KeyboardInterrupt, InputError])
def test_an_interrupted_search_keeps_what_it_found(tmp_path, photos, located, end):
    with pytest.raises(end):
        search(tmp_path / 'out', map(located, photos[:3]), end)
    assert contents(tmp_path / 'out') == dict.fromkeys(FORMATS, 3)


def test_a_full_disk_leaves_every_file_whole(tmp_path, photos, located):
    """Here no file may grow beyond 1,500 bytes: lines end with a whole one, others stay as they were."""
    search(tmp_path / 'out', map(located, photos[:3]))
    before = [(tmp_path / 'out' / name).read_bytes() for name in ('found.json', 'found.html')]
    for name in ('found_yolo', 'found_labelme'):
        shutil.rmtree(tmp_path / 'out' / name)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, limits[1]))
    try:
        with pytest.raises(OSError, match='File too large') as caught:
            search(tmp_path / 'out', map(located, photos * 30))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(tmp_path / 'out' / 'found') in str(caught.value.filename)
    assert [(tmp_path / 'out' / name).read_bytes() for name in ('found.json', 'found.html')] == before
    found = contents(tmp_path / 'out')
    assert found['jsonl'] > 3
    assert found['csv'] > 3
    assert found['labelme'] > 3
    assert not list((tmp_path / 'out').rglob('*.part'))


@pytest.mark.parametrize('name', ['coco', 'csv', 'html', 'jsonl'])
def test_files_of_others_are_left_alone(tmp_path, name):
    (tmp_path / FORMATS[name]).write_text('mine')
    with pytest.raises(InputError, match='exists, and this tool did not write it'):
        ResultFiles(tmp_path, ['jsonl', 'yolo', name]).__enter__()
    assert [path.read_text() for path in tmp_path.iterdir()] == ['mine']


def test_an_unknown_format_is_named(tmp_path):
    with pytest.raises(InputError, match="format='voc' is not one of"):
        ResultFiles(tmp_path, ['voc'])


def test_a_search_that_answers_nothing_leaves_an_earlier_ones_files(tmp_path, photos, located):
    formats = ['csv', 'coco', 'html', 'jsonl']
    with ResultFiles(tmp_path, formats) as files:
        files.write(located(photos[0]))
    assert [path.name for path in files.files] == [FORMATS[name] for name in formats]
    before = {path: path.read_bytes() for path in files.files}
    with pytest.raises(InputError), ResultFiles(tmp_path, formats) as files:
        raise InputError('gone.jpg: no such image')
    assert files.files == []
    assert {path: path.read_bytes() for path in before} == before
