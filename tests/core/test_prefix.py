import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.core.prefix import share_prefix


@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.lists(st.integers(1, 5), min_size=1, max_size=4)),
        min_size=1,
        max_size=3,
    )
)
def test_layout_against_a_walk_over_every_token(groups):
    prompts = [torch.arange(1, size + 1) for size, _ in groups]
    answers = [
        [torch.arange(100 * (i + 1), 100 * (i + 1) + n) for i, n in enumerate(lengths)]
        for _, lengths in groups
    ]
    shared = share_prefix(prompts, answers, pad_id=0)
    row = 0
    prefix = max(size for size, _ in groups)
    for index, (prompt, group) in enumerate(zip(prompts, answers, strict=True)):
        assert shared.input_ids[index, : len(prompt)].tolist() == prompt.tolist()
        start = 0
        for answer in group:
            for place, token in enumerate(answer):
                behind = start + place
                assert shared.input_ids[index, prefix + behind] == token
                assert shared.depth[index, behind] == place
                seen = shared.mask[index, 0, behind].nonzero()[:, 0].tolist()
                assert seen == [*range(len(prompt)), *range(prefix + start, prefix + behind + 1)]
                source = prefix + behind - 1 if place else len(prompt) - 1
                assert [int(part[row, place]) for part in shared.source] == [index, source]
                assert shared.target_ids[row, place] == token
            assert shared.target_mask[row].sum() == len(answer)
            start += len(answer)
            row += 1
    assert shared.mask.any(-1).all(), 'a row that sees nothing makes NaN'


def test_empty_answers_are_refused():
    with pytest.raises(ValueError, match='at least one token'):
        share_prefix([torch.tensor([1])], [[torch.tensor([], dtype=torch.long)]], 0)
