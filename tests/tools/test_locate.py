"""What ``focus locate`` prints, writes and refuses, with a detector that finds all at one place."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from focus_mmdet.apis import Reference
from focus_mmdet.cli import run_cli
from focus_mmdet.errors import InputError
from focus_mmdet.results import Located
from tools import locate


class AtOnePlace:
    """Stands for the inferencer: the box (1, 2, 30, 40), surer from query to query; text is unread."""

    def __init__(self, *_):
        self.unread = []

    def remember(self, supports, name=None):
        return Reference.of(supports, name)

    def recall(self, path, keep=False):
        if keep:
            Path(f'{path}.known').touch()
        return Reference.load(path)

    def stream(self, queries, references, not_this, batch_size, picture, every, tiles, zoom, warn):
        assert not warn  # The tool names each itself.
        told = ' '.join([*(each.name for each in not_this), *[f'{tiles} {zoom}'] * bool(tiles)])
        for number, query in enumerate(queries):
            if query.endswith('stop.jpg'):
                raise KeyboardInterrupt
            if query.endswith('bad.jpg'):
                self.unread.append((query, 'no image'))
                continue
            drawn = np.zeros((9, 9, 3), np.uint8) if picture else None
            for each in references:
                score = (number + 1) / 10
                yield Located(query, None, each.name, (64, 48), (1, 2, 30, 40), score, False, told, drawn)
        if len(self.unread) == len(queries):
            raise InputError(self.unread[0][1])


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Calls the tool in a folder of photographs; its status, its lines of JSON, and what it complained of."""
    monkeypatch.chdir(tmp_path)
    for name in ('cup.png', 'photos/1.jpg', 'photos/2.jpg', 'photos/10.jpg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new('RGB', (64, 48), 'teal').save(name)
    monkeypatch.setattr(locate, 'load_inferencer', AtOnePlace)
    monkeypatch.setattr(locate, 'only_json_on_stdout', lambda: None)

    def call(*arguments):
        monkeypatch.setattr('sys.argv', ['locate.py', '--checkpoint', 'none', *arguments])
        status = 0
        try:
            run_cli(locate.main)
        except SystemExit as end:
            status = end.code
        printed = capsys.readouterr()
        return status, [json.loads(line) for line in printed.out.splitlines()], printed.err

    return call


CUP = ['--support', 'cup.png:1,1,20,20']


def test_a_folder_gives_lines_pictures_and_files(call, tmp_path):
    out = ['--out-dir', 'photos/out', '--format', 'coco', 'html', '--score-thr', '0.2']
    for _ in range(2):  # What the first run wrote in the folder is no query of the second.
        status, lines, _ = call(*CUP, '--query', 'photos', *out)
        assert status == 0
        assert [line['query'] for line in lines] == ['photos/1.jpg', 'photos/2.jpg', 'photos/10.jpg']
        assert [line['box'] for line in lines] == [None, [1, 2, 30, 40], [1, 2, 30, 40]]
        assert all(Image.open(line['picture']).size == (9, 9) for line in lines)
        assert len(json.loads((tmp_path / 'photos/out/found.json').read_text())['annotations']) == 2
        assert (tmp_path / 'photos/out/found.html').is_file()


def test_saved_objects_are_looked_for_by_their_names(call, tmp_path):
    for name in ('my cup', 'other'):
        assert call(*CUP, '--name', name, '--remember', f'{name}.focus')[0] == 0
    status, lines, _ = call(
        '--reference', 'my cup.focus', 'other.focus', '--query', 'photos/*0.jpg', '--no-pictures'
    )
    assert status == 0
    assert [line['reference'] for line in lines] == ['my cup', 'other']
    assert 'picture' not in lines[0]
    assert not (tmp_path / 'out').exists()


def test_what_a_model_makes_of_a_saved_object_is_kept_where_asked(call, tmp_path):
    call(*CUP, '--remember', 'cup.focus')
    for asked in ([], ['--keep']):
        assert call('--reference', 'cup.focus', '--query', 'photos', '--no-pictures', *asked)[0] == 0
        assert (tmp_path / 'cup.focus.known').exists() == bool(asked)


def test_what_may_be_mistaken_for_the_object_goes_along(call):
    other = [
        '--not-this',
        'photos/1.jpg:1,1,9,9',
        'photos/2.jpg:1,1,9,9',
        '--not-this',
        'photos/10.jpg:1,1,9,9',
    ]
    _, lines, _ = call(*CUP, *other, '--query', 'photos/2.jpg', '--no-pictures')
    assert [line['answer'] for line in lines] == ['1 10']


def test_small_objects_are_looked_for_in_tiles(call):
    closer = ['--tiles', '640', '--zoom']
    _, lines, _ = call(*CUP, *closer, '--query', 'photos/2.jpg', '--no-pictures')
    assert [line['answer'] for line in lines] == ['640 True']


def test_what_cannot_be_read_is_named_at_the_end(call, tmp_path):
    (tmp_path / 'photos/bad.jpg').touch()
    status, lines, told = call(*CUP, '--query', 'photos', '--no-pictures')
    assert (status, len(lines)) == (3, 3)
    assert told.splitlines() == [
        'cup: likely in 0 of 3 pictures',
        'not answered: photos/bad.jpg: no image',
    ]
    status, lines, told = call(*CUP, '--query', 'photos/bad.jpg', '--no-pictures')
    assert (status, lines, told) == (2, [], 'error: no image\n')


def test_what_was_found_before_an_interruption_is_kept(call, tmp_path):
    (tmp_path / 'photos/bad.jpg').touch()
    names = 'photos/bad.jpg', 'photos/1.jpg', 'stop.jpg', 'photos/2.jpg'
    arguments = '--query', *names, '--out-dir', 'out', '--format', 'coco', 'csv', 'html'
    status, lines, told = call(*CUP, *arguments)
    assert (status, len(lines)) == (130, 1)
    assert told.splitlines() == [
        'finishing ...',
        'cup: likely in 0 of 1 pictures',
        'wrote out/found.json',
        'wrote out/found.csv',
        'wrote out/found.html',
        'not answered: photos/bad.jpg: no image',
        'interrupted after 2 of 4 pictures',
    ]
    assert len(json.loads((tmp_path / 'out/found.json').read_text())['annotations']) == 1
    assert len((tmp_path / 'out/found.csv').read_text().splitlines()) == 2


def test_what_was_to_be_read_next_is_given_up_before_files_are_written(call, monkeypatch):
    order = []

    class Kept(AtOnePlace):
        def stream(self, *arguments, **options):
            try:
                yield from super().stream(*arguments, **options)
            finally:
                order.append('given up')

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(locate, 'load_inferencer', Kept)
    monkeypatch.setattr(locate, 'draw', interrupted)
    monkeypatch.setattr(locate, 'tell_found', lambda *_: order.append('written'))
    status, _, told = call(*CUP, '--query', 'photos', '--no-pictures')
    assert (status, order) == (130, ['given up', 'written'])
    assert told.startswith('finishing ...')


def test_how_far_a_search_was_is_said_without_a_total_where_a_video_is_among_it(call, tmp_path):
    _, _, told = call(*CUP, '--query', 'photos/1.jpg', 'stop.jpg', 'clip.mp4', '--no-pictures')
    assert told.splitlines()[-1] == 'interrupted after 1 pictures'


def test_a_terminal_is_told_how_many_of_how_many(call, monkeypatch):
    monkeypatch.setattr('sys.stderr.isatty', lambda: True)
    assert '3/3' in call(*CUP, '--query', 'photos', '--no-pictures')[2]


WRONG = {
    'nothing to find': (['--query', 'photos', '--no-pictures'], 'give --support'),
    'nothing to search': (CUP, 'give --query'),
    'nowhere to write': ([*CUP, '--query', 'photos'], 'give --out-dir, or --no-pictures'),
    'no number': (['--support', 'cup.png:1,2,x,4', '--query', 'photos', '--no-pictures'], 'write PICTURE:x1'),
    'no box of what is unwanted': (
        [*CUP, '--not-this', 'cup.png', '--query', 'photos', '--no-pictures'],
        '--not-this cup.png: write PICTURE:x1',
    ),
    'unreadable and unwanted': (
        [*CUP, '--not-this', 'gone.png:1,1,5,5', '--query', 'photos', '--no-pictures'],
        'gone.png: no such',
    ),
    'reversed': (
        ['--support', 'cup.png:20,20,1,1', '--query', 'photos', '--no-pictures'],
        'is reversed',
    ),
    'outside': (
        ['--support', 'cup.png:1,1,65,9', '--query', 'photos', '--no-pictures'],
        'outside the 64 x 48',
    ),
    'relative': (['--support', 'cup.png:.1,.1,.5,.5', '--query', 'photos', '--no-pictures'], 'fractions'),
    'unreadable': (
        ['--support', 'gone.png:1,1,5,5', '--query', 'photos', '--no-pictures'],
        'gone.png: no such',
    ),
    'not a reference': (
        ['--reference', 'cup.png', '--query', 'photos', '--no-pictures'],
        'cup.png: not a refer',
    ),
    'one name twice': (
        [*CUP, *CUP, '--query', 'photos', '--no-pictures'],
        "several objects are called 'cup'",
    ),
    'names missing': (
        [*CUP, *CUP, '--name', 'a', '--query', 'photos', '--no-pictures'],
        'a name for each of 2',
    ),
    'nowhere to remember': (
        [*CUP, '--remember', 'gone/a.focus'],
        '--remember gone/a.focus: there is no folder gone',
    ),
    'nothing to keep': ([*CUP, '--keep', '--query', 'photos', '--no-pictures'], '--keep: goes with --ref'),
    'two remembered': ([*CUP, *CUP, '--remember', 'a.focus'], 'goes with one --support'),
    'empty folder': ([*CUP, '--query', 'empty', '--no-pictures'], 'empty: no picture or video'),
    'results in queries': (
        [*CUP, '--query', 'photos', '--out-dir', 'photos'],
        'photos: is to hold the results',
    ),
    'a wrong threshold': (
        [*CUP, '--query', 'photos', '--no-pictures', '--score-thr', '20'],
        '--score-thr=20',
    ),
    'tiny tiles': ([*CUP, '--query', 'photos', '--no-pictures', '--tiles', '9'], '--tiles=9: give'),
    'in the way': (
        [*CUP, '--query', 'photos', '--out-dir', '.', '--format', 'csv'],
        'found.csv: exists, and',
    ),
}


@pytest.mark.parametrize('name', WRONG)
def test_a_wrong_call_ends_before_the_model_is_loaded(call, monkeypatch, name):
    arguments, message = WRONG[name]
    os.mkdir('empty')
    with open('found.csv', 'w') as file:
        file.write('mine')
    monkeypatch.setattr(locate, 'load_inferencer', lambda *_: pytest.fail('loaded'))
    status, lines, told = call(*arguments)
    assert (status, lines) == (2, [])
    assert len(told.splitlines()) == 1
    assert message in told
