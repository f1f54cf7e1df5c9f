"""Boxes of a part of an image are boxes of the image, to the pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.apis.reference import Reference
from focus_mmdet.apis.zoom import Window, find_in_tiles, tile_windows, window_round, zoom_in
from focus_mmdet.errors import InputError
from focus_mmdet.results.located import Located

SIZES = st.tuples(st.integers(1, 400), st.integers(1, 400))


class SharpEyes:
    """Finds the brightest thing where it is at least a tenth of the picture wide, exactly."""

    def __init__(self, share=0.1):
        self.share = share
        self.asked = []

    def __call__(self, queries, reference, batch_size=1):
        self.asked += [pixels.shape[1::-1] for pixels in queries]
        return [self.look(pixels, number) for number, pixels in enumerate(queries)]

    def look(self, pixels, number=0):
        rows, columns = np.nonzero(pixels[..., 0] == max(1, pixels.max()))
        size, box = pixels.shape[1::-1], None
        if len(rows) and columns.max() + 1 - columns.min() >= self.share * size[0]:
            box = tuple(map(float, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)))
        score = 0.0 if box is None else float(pixels.max()) / 255
        return Located(f'query {number}', None, reference_name, size, box, score, box is None, '')


reference_name = 'dot'
REFERENCE = Reference(reference_name, (), ())


def picture(size, *things):
    """Black, with filled boxes of a brightness each."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    for (x1, y1, x2, y2), value in things:
        pixels[y1:y2, x1:x2] = value
    return pixels


@given(SIZES, st.data())
def test_a_neighbourhood_holds_its_box_and_lies_in_the_image(size, data):
    x1, y1 = (data.draw(st.integers(0, length - 1)) for length in size)
    x2, y2 = data.draw(st.integers(x1 + 1, size[0])), data.draw(st.integers(y1 + 1, size[1]))
    scale, least = data.draw(st.floats(1, 6)), data.draw(st.integers(1, 100))
    window = window_round((x1, y1, x2, y2), size, scale, least)
    assert 0 <= window.left <= x1 < x2 <= window.right <= size[0]
    assert 0 <= window.top <= y1 < y2 <= window.bottom <= size[1]
    side = max(least, scale * max(x2 - x1, y2 - y1))
    for length, got in zip(size, (window.right - window.left, window.bottom - window.top), strict=True):
        assert min(length, side) <= got <= side + 1


@given(SIZES, st.data())
def test_a_second_look_maps_back_exactly(size, data):
    x1, y1 = (data.draw(st.integers(0, length - 1)) for length in size)
    box = x1, y1, data.draw(st.integers(x1 + 1, size[0])), data.draw(st.integers(y1 + 1, size[1]))
    pixels = picture(size, (box, 255))
    guess = tuple(value + shift for value, shift in zip(box, (0.4, -0.4, 0.3, 0.2), strict=True))
    first = Located('a.jpg', 7, 'dot', size, guess, 0.3, False, '')
    find = SharpEyes(share=0)
    second = zoom_in(find, pixels, REFERENCE, first, scale=2.0, least=8)
    assert second.box == box if find.asked else second is first
    assert (second.query, second.frame, second.size) == ('a.jpg', 7, size)


def test_the_first_answer_stays_where_there_is_nothing_more_to_see():
    find = SharpEyes()
    pixels = picture((100, 100), ((10, 10, 90, 90), 255))
    for box, score in ((None, 0.0), ((10.0, 10.0, 90.0, 90.0), 0.9)):
        first = Located('a.jpg', None, 'dot', (100, 100), box, score, box is None, '')
        assert zoom_in(find, pixels, REFERENCE, first) is first
    assert not find.asked
    first = Located('a.jpg', None, 'dot', (100, 100), (5.0, 5.0, 8.0, 8.0), 0.5, False, '')
    assert zoom_in(find, picture((100, 100)), REFERENCE, first, least=8) is first
    assert find.asked == [(12, 12)]


@given(SIZES, st.integers(1, 150), st.floats(0, 0.8), st.data())
def test_tiles_cover_the_image_and_hold_small_things_whole(size, side, overlap, data):
    tiles = tile_windows(size, side, overlap)
    covered = np.zeros((size[1], size[0]), int)
    for tile in tiles:
        assert (tile.right - tile.left, tile.bottom - tile.top) == tuple(min(side, n) for n in size)
        assert 0 <= tile.left < tile.right <= size[0]
        assert 0 <= tile.top < tile.bottom <= size[1]
        covered[tile.top : tile.bottom, tile.left : tile.right] += 1
    assert covered.all()
    width, height = (data.draw(st.integers(1, max(1, min(int(overlap * side), n)))) for n in size)
    x, y = data.draw(st.integers(0, size[0] - width)), data.draw(st.integers(0, size[1] - height))
    assert any(
        tile.left <= x and x + width <= tile.right and tile.top <= y and y + height <= tile.bottom
        for tile in tiles
    )


def test_a_thing_too_small_for_the_whole_image_is_found_in_its_tile():
    find = SharpEyes()
    pixels = picture((1000, 600), ((813, 411, 833, 431), 250), ((200, 100, 218, 118), 200))
    assert find.look(pixels).box is None
    found = find_in_tiles(find, pixels, REFERENCE, side=150)
    assert found.box == (813, 411, 833, 431)
    assert (found.query, found.size) == ('query 0', (1000, 600))
    assert find.asked[0] == (1000, 600)
    # The first tile that shows it cuts it, so there was one look more.
    assert set(find.asked[1:]) == {(150, 150), (80, 80)}
    nothing = find_in_tiles(find, picture((300, 300)), REFERENCE, side=100)
    assert (nothing.box, nothing.absent, nothing.size) == (None, True, (300, 300))


def test_values_out_of_range_are_named():
    with pytest.raises(InputError, match='overlap'):
        tile_windows((10, 10), 5, 1.0)
    with pytest.raises(InputError, match='side'):
        tile_windows((10, 10), 0)
    with pytest.raises(InputError, match='scale'):
        zoom_in(None, picture((4, 4)), REFERENCE, None, scale=0.5)
    assert Window(1, 2, 3, 4).cut(picture((9, 9))).shape == (2, 2, 3)
