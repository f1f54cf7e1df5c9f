"""The page shows what was found, best first, and runs nothing."""

import base64
from contextlib import suppress
from html.parser import HTMLParser
from io import BytesIO
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

from focus_mmdet.results import ResultFiles
from focus_mmdet.results.html_page import SIDE, HtmlPage
from focus_mmdet.results.query_images import QueryImages


class Page(HTMLParser):
    """Tags, addresses and texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.sources, self.links, self.text = set(), set(), [], [], ''
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(dict(attrs))
        self.sources += [value for name, value in attrs if name == 'src']
        self.links += [value for name, value in attrs if name == 'href']

    def handle_data(self, data):
        self.text += data

    def thumbnail(self, number):
        return Image.open(BytesIO(base64.b64decode(self.sources[number].split(',')[1])))


@pytest.fixture
def page(tmp_path):
    def write(found, **more):
        with HtmlPage(tmp_path / 'found.html', QueryImages(tmp_path), **more) as results:
            for each in found:
                results.write(each)
        return Page((tmp_path / 'found.html').read_text(encoding='utf-8'))

    return write


def test_hostile_names_stay_text_and_lead_to_their_files(page, photos, located):
    name = '<img src=x onerror=alert(1)>'
    shown = page([*map(located, photos), *(located(each, None, reference=name) for each in photos)])
    assert not shown.tags & {'script', 'object', 'iframe', 'link', 'form'}
    assert not [name for name in shown.attributes if name.startswith('on')]
    assert all(source.startswith('data:image/jpeg;base64,') for source in shown.sources)
    assert len(shown.sources) == len(photos)
    assert all(link.startswith('file:///') for link in shown.links)
    paths = {unquote_to_bytes(link.removeprefix('file://')).rsplit(b'/')[-1] for link in shown.links}
    assert b'caf\xe9.png' in paths
    assert len(paths) == len(photos)
    assert name in shown.text
    assert '<script>alert(1)<script>.png' in shown.text


def test_the_surest_come_first_and_the_rest_is_counted(page, photos, located, clip):
    scores = [0.2, 0.9, 0.49, 0.7]
    found = [located(path, score=score) for path, score in zip(photos, scores, strict=False)]
    others = [
        located(photos[4], None, absent=True),
        located(photos[5], None),
        located(clip, frame=3, score=0.6),
    ]
    shown = page([*found, *others], most=4)
    places = [shown.text.index(f'{score:.2f} ') for score in (0.9, 0.7, 0.6, 0.49)]
    assert places == sorted(places)
    assert '0.20' not in shown.text
    likely, guesses = shown.text.split('Best guesses: scores below 0.5')
    assert 'Likely in 3 of 7 pictures; the others are best guesses, the least likely last.' in likely
    assert 'The best 4 are shown.' in likely
    assert ('0.60 ' in likely, '0.49 ' in guesses) == (True, True)
    assert '2 without a box; of 1 of them the model said' in shown.text
    assert 'frame 3' in shown.text
    assert abs(shown.thumbnail(2).getpixel((60, 44))[0] - 120) < 20


def test_a_page_of_a_part_says_so_at_its_top(tmp_path, photos, located):
    for error, total, words in (
        (KeyboardInterrupt, 113, '2 of 113 pictures searched: the search was ended early.'),
        (KeyboardInterrupt, None, '2 pictures searched: the search was ended early.'),
        (None, 3, '2 of 3 pictures searched: the others could not be read.'),
        (None, 2, 'my cup'),
    ):
        with suppress(KeyboardInterrupt), ResultFiles(tmp_path / 'out', ['html'], total) as files:
            for path in photos[:2]:
                files.write(located(path))
            if error is not None:
                raise error
        text = Page((tmp_path / 'out/found.html').read_text(encoding='utf-8')).text
        assert text.split('Found: my cup')[1].strip().startswith(words)


def test_the_box_is_drawn_where_it_is(page, tmp_path, located):
    photo = Image.new('RGB', (3000, 4000))
    exif = photo.getexif()
    exif[0x0112] = 6
    photo.save(tmp_path / 'turned.jpg', exif=exif)
    box = (1000, 600, 3000, 2400)
    small = page([located(str(tmp_path / 'turned.jpg'), box, size=(4000, 3000))]).thumbnail(0)
    assert small.size == (SIDE, SIDE * 3 // 4)
    rows, columns = np.nonzero(np.asarray(small)[..., 0] > 128)
    drawn = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
    assert np.abs(drawn - np.array(box) * SIDE / 4000).max() <= 3


def test_thin_and_vanished_pictures_do_no_harm(page, tmp_path, located):
    Image.new('RGB', (1, 5000)).save(tmp_path / 'thin.png')
    shown = page([located(str(tmp_path / 'thin.png'), (0, 9, 1, 99), size=(1, 5000)), located('query 1')])
    assert shown.thumbnail(0).size == (1, SIDE)
    assert 'query 1' in shown.text
    assert len(shown.sources) == 1
