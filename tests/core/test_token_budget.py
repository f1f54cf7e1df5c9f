from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.core.token_budget import padded_tokens, split_by_tokens, split_further


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 20)), min_size=1, max_size=12),
    st.integers(1, 300),
    st.integers(0, 12),
)
def test_parts_cover_the_batch_and_keep_the_budget(groups, limit, more):
    prompts, answers = [group[0] for group in groups], [group[1] for group in groups]

    def cost(start, stop):
        return padded_tokens(prompts[start:stop], answers[start:stop])

    parts = split_by_tokens(prompts, answers, limit)
    wanted = min(len(groups), len(parts) + more)
    finer = split_further(parts, wanted)
    assert len(finer) == wanted
    for ranges in (parts, finer):
        assert [index for start, stop in ranges for index in range(start, stop)] == list(range(len(groups)))
        assert all(cost(start, stop) <= limit or stop == start + 1 for start, stop in ranges)
    # Greedy parts can't be joined.
    assert all(cost(first[0], second[1]) > limit for first, second in pairwise(parts))


def test_padding_counts():
    assert padded_tokens([1000, 100], [50, 60]) == 2 * 1060
