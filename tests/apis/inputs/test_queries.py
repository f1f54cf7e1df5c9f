from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from focus_mmdet.apis.inputs.queries import each_query, list_queries, read_ahead
from focus_mmdet.errors import InputError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'sub').mkdir()
    for name in ('2.png', '10.JPG', 'sub/1.webp'):
        Image.new('RGB', (8, 6)).save(tmp_path / name)
    (tmp_path / 'notes.txt').write_text('hello')
    (tmp_path / '.hidden.png').write_bytes((tmp_path / '2.png').read_bytes())
    writer = cv2.VideoWriter(str(tmp_path / 'clip.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 25, (64, 48))
    for _ in range(7):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    return tmp_path


def names(queries, every=3):
    return [str(query) for query in each_query(list_queries(queries), every)]


def test_a_folder_is_its_pictures_and_videos_in_natural_order(folder):
    expected = ['2.png', '10.JPG', 'clip.mp4#0', 'clip.mp4#3', 'clip.mp4#6', 'sub/1.webp']
    assert names(folder) == [f'{folder}/{name}' for name in expected]


@pytest.mark.parametrize(
    ('query', 'found'),
    [
        ('*.[pP]*', ['2.png']),
        ('**/*.webp', ['sub/1.webp']),
        ('clip.mp4#5', ['clip.mp4#5']),
        ('gone.png', ['gone.png']),
        ('*.tif', ['*.tif']),
    ],
)
def test_paths_globs_and_frames(folder, query, found):
    assert names([f'{folder}/{query}']) == [f'{folder}/{name}' for name in found]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder):
    Image.new('RGB', (8, 6)).save(folder / 'a[1].png')
    assert names(str(folder / 'a[1].png')) == [str(folder / 'a[1].png')]


def test_images_in_memory_are_numbered_and_turned(folder):
    turned = Image.new('RGB', (8, 6))
    turned.getexif()[0x0112] = 6
    queries = list(each_query(list_queries([np.zeros((5, 4, 3), np.uint8), turned, folder / '2.png']), 1))
    assert [query.name for query in queries] == ['query 0', 'query 1', f'{folder}/2.png']
    assert [query.read().pixels.shape for query in queries] == [(5, 4, 3), (8, 6, 3), (6, 8, 3)]


@pytest.mark.parametrize('query', ['https://a.example/b.jpg', 's3://bucket/b.jpg'])
def test_addresses_are_refused(query):
    with pytest.raises(InputError, match='not opened; download it'):
        list(list_queries([query]))


@pytest.mark.parametrize('query', ['clip.mp4#x', 'clip.mp4#99', 'gone.mp4', 'gone.png', 'notes.txt', '*.tif'])
def test_what_cannot_be_read_says_so_when_it_is_read(folder, query):
    (found,) = each_query(list_queries(f'{folder}/{query}'), 1)
    with pytest.raises(InputError, match=query.partition('#')[0].replace('*', r'\*')):
        found.read()


def test_reading_ahead_keeps_the_order_and_is_bounded():
    taken = []

    def source():
        for index in range(9):
            taken.append(index)
            yield index

    reading = read_ahead(source(), lambda index: index * index, 2)
    first = next(reading)
    assert len(taken) == 3
    results = [first, *reading]
    assert [query for query, _ in results] == list(range(9))
    assert [future.result() for _, future in results] == [index**2 for index in range(9)]


@pytest.mark.parametrize('query', [b'PNG', BytesIO(b'PNG'), 7])
def test_what_is_no_query_is_named(query):
    with pytest.raises(InputError, match=f'files or folders, not {type(query).__name__}'):
        list_queries(query)
