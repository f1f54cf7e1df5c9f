"""What is named on a command line stands for the files that its user means."""

import os

import pytest

from focus_mmdet.datasets.queries import list_queries, split_frame
from focus_mmdet.errors import InputError


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        'p/10.jpg',
        'p/9.JPG',
        'p/below/1.heic',
        'p/clip.mp4',
        'p/notes.txt',
        'p/.hidden.jpg',
        'p/[1].png',
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'p/.thumbs').mkdir()
    (tmp_path / 'p/.thumbs/1.jpg').touch()
    os.mkfifo(tmp_path / 'p/pipe.png')


def test_a_folder_is_its_pictures_and_videos_in_natural_order(photos):
    inside = ['p/9.JPG', 'p/10.jpg', 'p/[1].png', 'p/clip.mp4', 'p/below/1.heic']
    assert list_queries(['p']) == inside
    assert list_queries(['p/10.jpg', 'p', './p/10.jpg']) == ['p/10.jpg', *inside[:1], *inside[2:]]


def test_a_link_to_what_is_gone_is_left_to_its_reader_and_a_pipe_is_passed_over(photos):
    os.symlink('gone.png', 'p/below/link.png')
    for named in ('p', 'p/**/*.png', 'p/below/*'):
        found = list_queries([named])
        assert 'p/below/link.png' in found
        assert 'p/pipe.png' not in found


def test_the_folder_of_results_is_passed_over(photos):
    assert 'p/below/1.heic' not in list_queries(['p'], leave_out='./p/below')
    with pytest.raises(InputError, match='p: is to hold the results, too'):
        list_queries(['p'], leave_out='p/')


def test_patterns_are_the_shells_unless_a_file_is_called_so(photos):
    assert list_queries(['p/*.jpg']) == ['p/10.jpg']
    assert list_queries(['p/[1].png']) == ['p/[1].png']
    assert list_queries(['**/1.*']) == ['p/below/1.heic']
    assert list_queries(['p/bel*']) == ['p/below/1.heic']


def test_a_file_that_is_missing_or_a_frame_is_left_to_its_reader(photos):
    assert list_queries(['gone.jpg', 'p/clip.mp4#3']) == ['gone.jpg', 'p/clip.mp4#3']
    assert split_frame('p/clip.mp4#3') == ('p/clip.mp4', 3)
    assert split_frame('a#3.jpg') == ('a#3.jpg', None)
    with pytest.raises(InputError, match=r'clip.mp4#x: write VIDEO#FRAME'):
        split_frame('p/clip.mp4#x')


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('p/*.gif', r'p/\*.gif: no such file; the pattern matches nothing'),
        ('empty', 'empty: no picture or video'),
        ('https://a.b/c.jpg', 'not fetched. Download it'),
    ],
)
def test_what_stands_for_no_file_is_named(photos, name, message):
    os.mkdir('empty')
    with pytest.raises(InputError, match=message):
        list_queries([name])
