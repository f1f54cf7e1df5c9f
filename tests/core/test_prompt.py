import pytest
from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.core.prompt import (
    episode_messages,
    format_answer,
    format_box,
    parse_answer,
    support_box_spans,
)

grid = st.integers(0, 1000)
boxes = st.tuples(grid, grid, grid, grid)


@given(st.tuples(st.integers(0, 499), st.integers(0, 499), st.integers(500, 1000), st.integers(500, 1000)))
def test_an_answer_is_read_back(box):
    answer = parse_answer(format_answer(box))
    assert answer.box == box
    assert answer.well_formed
    assert answer.reason is None


@pytest.mark.parametrize(
    ('text', 'box', 'reason', 'well_formed'),
    [
        ('', None, 'no_box', False),
        ('the object is gone', None, 'no_box', False),
        ('<answer>[1, 2, 3]</answer>', None, 'no_box', False),
        ('<answer>[1, 2, 3, 4, 5]</answer>', None, 'no_box', False),
        ('<answer>[9, 9, 9, 20]</answer>', None, 'empty_box', True),
        ('[1,2, 3,4]', (1, 2, 3, 4), None, False),
        ('I think <answer>[1, 2, 3, 4]</answer>', (1, 2, 3, 4), None, False),
        ('<answer>[1, 2, 3, 4]</answer> or [5, 6, 7, 8]', (1, 2, 3, 4), None, False),
        ('<answer>[-1, 2, 3, 4]</answer>', None, 'no_box', False),
    ],
)
def test_other_answers(text, box, reason, well_formed):
    answer = parse_answer(text)
    assert (answer.box, answer.reason, answer.well_formed) == (box, reason, well_formed)


@pytest.mark.parametrize(
    ('box', 'expected', 'reason'),
    [
        ('[500, 0, 1200, 3000]', (500, 0, 1000, 800), None),
        ('[0, 0, 1000, 800]', (0, 0, 1000, 800), None),
        ('[1000, 0, 1200, 500]', None, 'outside'),
        ('[0, 900, 10, 99999]', None, 'outside'),
    ],
)
def test_boxes_are_clipped_to_the_image(box, expected, reason):
    answer = parse_answer(f'<answer>{box}</answer>', cells=(1000, 800))
    assert (answer.box, answer.reason, answer.well_formed) == (expected, reason, True)


def rendered(support_boxes) -> str:
    parts = episode_messages(support_boxes)[0]['content']
    return ''.join(part.get('text', '<image>') for part in parts)


@given(st.lists(boxes, min_size=1, max_size=8))
def test_spans_are_the_coordinates_even_when_boxes_repeat(support_boxes):
    text = rendered(support_boxes)
    spans = support_box_spans(text, support_boxes)
    assert [f'[{text[start:stop]}]' for start, stop in spans] == [format_box(box) for box in support_boxes]
    assert spans == sorted(set(spans))


def test_the_query_is_the_last_image_and_carries_no_box():
    content = episode_messages([(1, 2, 3, 4)])[0]['content']
    assert [part['type'] for part in content] == ['text', 'image', 'text', 'image', 'text']
    assert '[' not in content[-1]['text']


def test_a_template_that_changes_the_text_is_an_error():
    with pytest.raises(ValueError, match='template altered'):
        support_box_spans(rendered([(1, 2, 3, 4)]).replace('located', 'found'), [(1, 2, 3, 4)])
