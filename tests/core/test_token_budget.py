from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.core.token_budget import split_by_tokens, split_further


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(1, 120), st.integers(0, 12))
def test_parts_cover_the_batch_and_keep_the_budget(tokens, limit, more):
    parts = split_by_tokens(tokens, limit)
    wanted = min(len(tokens), len(parts) + more)
    finer = split_further(parts, wanted)
    assert len(finer) == wanted
    for ranges in (parts, finer):
        assert [index for start, stop in ranges for index in range(start, stop)] == list(range(len(tokens)))
        assert all(sum(tokens[a:b]) <= limit or b == a + 1 for a, b in ranges)
    # Greedy parts can't be joined.
    for (start, _), (_, stop) in pairwise(parts):
        assert sum(tokens[start:stop]) > limit
