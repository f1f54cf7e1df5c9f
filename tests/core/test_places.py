"""Where visual tokens look, against one token at a time."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from focus_mmdet.core.places import (
    finer_places,
    grid_places,
    looks,
    places_along_edges,
    places_cover,
    places_in_box,
    spread,
)


@given(st.data())
def test_tokens_in_a_box_are_those_whose_centre_it_holds(data):
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    width, height = data.draw(st.integers(20, 500)), data.draw(st.integers(20, 500))
    x1, x2 = sorted(data.draw(st.lists(st.integers(0, 4 * width), min_size=2, max_size=2, unique=True)))
    y1, y2 = sorted(data.draw(st.lists(st.integers(0, 4 * height), min_size=2, max_size=2, unique=True)))
    box = [x1 / 4, y1 / 4, x2 / 4, y2 / 4]
    relative = torch.tensor([box[0] / width, box[1] / height, box[2] / width, box[3] / height])
    inside = places_in_box(grid_places(rows, columns), relative).view(rows, columns)
    expected = {
        (row, column)
        for row in range(rows)
        for column in range(columns)
        if box[0] <= (column + 0.5) * width / columns <= box[2]
        and box[1] <= (row + 0.5) * height / rows <= box[3]
    }
    found = {tuple(cell) for cell in inside.nonzero().tolist()}
    assert found == expected or (not expected and len(found) == 1)
    if not expected:
        ((row, column),) = found
        assert abs((box[0] + box[2]) / 2 / width * columns - column - 0.5) <= 0.5 + 1e-4
        assert abs((box[1] + box[3]) / 2 / height * rows - row - 0.5) <= 0.5 + 1e-4


@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.tuples(*[st.floats(-2, 0.4)] * 2, *[st.floats(0.6, 3)] * 2),
)
def test_a_grid_wider_than_the_image_is_cut_at_its_edges(shape, window):
    (rows, columns), (left, top, right, bottom) = shape, window
    places = iter(grid_places(rows, columns, window).tolist())
    for row in range(rows):
        for column in range(columns):
            x1, x2 = (left + (right - left) * (column + side) / columns for side in (0, 1))
            y1, y2 = (top + (bottom - top) * (row + side) / rows for side in (0, 1))
            cut = [min(max(value, 0.0), 1.0) for value in (x1, y1, x2, y2)]
            place = next(places)
            if min(cut[2] - cut[0], cut[3] - cut[1]) > 1e-5:
                assert place == pytest.approx(cut, abs=1e-6)
            elif min(cut[2] - cut[0], cut[3] - cut[1]) <= 0:
                assert all(math.isnan(value) for value in place)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_a_grid_divided_is_the_finer_grid(rows, columns, fold):
    torch.testing.assert_close(
        finer_places(grid_places(rows, columns), columns, fold), grid_places(rows * fold, columns * fold)
    )


def test_a_map_is_the_grid_itself_and_keeps_what_tiles_and_a_thumbnail_hold():
    values = torch.rand(12)
    torch.testing.assert_close(spread(values, grid_places(3, 4)), values.view(3, 4))
    tiles = torch.cat([grid_places(2, 2, (x, 0.0, x + 0.5, 1.0)) for x in (0.0, 0.5)])
    nowhere = torch.full((1, 4), torch.nan)
    places = torch.cat([tiles, nowhere, grid_places(1, 1)])
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 100.0, 16.0])
    expected = torch.tensor([[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]]) + 2
    torch.testing.assert_close(spread(values, places), expected)
    assert looks(places).tolist() == [True] * 8 + [False, True]


def test_a_token_that_looks_nowhere_is_in_no_box():
    places = torch.cat([torch.full((1, 4), torch.nan), grid_places(2, 2)])
    assert places_cover(places, torch.tensor([0.25, 0.25, 1.0, 0.5])).tolist() == [0, 0.25, 0.5, 0, 0]
    assert places_in_box(places, torch.tensor([0.0, 0.0, 1.0, 1.0])).tolist() == [False, *[True] * 4]
    assert places_in_box(places, torch.tensor([0.6, 0.1, 0.7, 0.2])).tolist() == [
        False,
        False,
        True,
        False,
        False,
    ]


@given(
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_tokens_along_an_edge_touch_it(rows, columns, corners):
    x1, x2 = sorted(corners[:2])
    y1, y2 = sorted(corners[2:])
    assume(x2 - x1 > 0.01 and y2 - y1 > 0.01)
    places = grid_places(rows, columns)
    width, height = 1 / columns, 1 / rows
    marked = places_along_edges(places, torch.tensor([x1, y1, x2, y2]))
    for marks, edge, size, axis in zip(
        marked, (x1, y1, x2, y2), (width, height) * 2, (0, 1) * 2, strict=True
    ):
        assert marks.any()
        for left, top, right, bottom in places[marks].tolist():
            centre = ((left + right) / 2, (top + bottom) / 2)[axis]
            assert abs(centre - edge) <= size + 1e-5
            beside = (bottom >= y1 - 1e-5 and top <= y2 + 1e-5, right >= x1 - 1e-5 and left <= x2 + 1e-5)[
                axis
            ]
            assert beside
