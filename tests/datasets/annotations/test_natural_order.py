"""Frames come in the order that people mean."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.datasets.annotations.natural_order import natural_order


@pytest.mark.parametrize(
    'names',
    [
        ['8', '9', '10'],
        [7, '8', 9, '10'],
        ['-2', -1, '0', '0.25', '0.5', 1],
        ['frame2.jpg', 'frame10.jpg', 'frame10b.jpg'],
        ['1508282938293829384', '1508282938293829385'],
        ['a/2/10.png', 'a/10/2.png', 'b/1/1.png'],
        [1, 2, 'a'],
    ],
)
def test_numbers_in_names_count(names):
    for shuffled in permutations(names):
        assert sorted(shuffled, key=natural_order) == names


@given(st.lists(st.one_of(st.integers(), st.text()), max_size=20))
def test_any_names_have_an_order(names):
    keys = {natural_order(name) for name in names}
    assert len(sorted(keys)) == len(keys)
