import torch
from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.core.boxes import from_grid, paired_iou, to_grid

coordinate = st.floats(0, 1, width=32)


@given(
    st.lists(st.tuples(coordinate, coordinate, coordinate, coordinate), min_size=1, max_size=8),
    st.tuples(st.integers(28, 4000), st.integers(28, 4000)),
    st.sampled_from([(1000, 1000), (644, 364)]),
)
def test_grid_round_trip_is_within_half_a_cell(fractions, size, cells):
    boxes = torch.tensor(fractions) * torch.tensor([*size, *size])
    back = from_grid(to_grid(boxes, size, cells), size, cells)
    cell = torch.tensor([size[0] / cells[0], size[1] / cells[1]] * 2)
    thin = ((boxes[:, 2:] - boxes[:, :2]).abs() < cell[:2]).repeat(1, 2)
    assert ((back - boxes).abs() <= torch.where(thin, cell, cell / 2) + 1e-3).all()


def test_a_box_thinner_than_a_cell_stays_a_box():
    boxes = torch.tensor([[100.0, 10.0, 101.0, 90.0], [3999.0, 10.0, 4000.0, 90.0]])
    assert to_grid(boxes, (4000, 100), (1000, 1000)).tolist() == [[25, 100, 26, 900], [999, 100, 1000, 900]]


def test_grid_clips_to_the_image():
    boxes = torch.tensor([[-5.0, -5.0, 200.0, 300.0]])
    assert to_grid(boxes, (100, 100), (1000, 1000)).tolist() == [[0, 0, 1000, 1000]]


def slow_iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if a[2] <= a[0] or a[3] <= a[1] or b[2] <= b[0] or b[3] <= b[1]:
        return 0.0
    overlap = max(0.0, width) * max(0.0, height)
    return overlap / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap)


box = st.tuples(*[st.integers(0, 1000)] * 4)


@given(st.lists(st.tuples(box, box), min_size=1, max_size=20))
def test_iou_equals_one_box_at_a_time(pairs):
    first = torch.tensor([pair[0] for pair in pairs])
    second = torch.tensor([pair[1] for pair in pairs])
    expected = torch.tensor([slow_iou(a, b) for a, b in pairs])
    torch.testing.assert_close(paired_iou(first, second), expected)
    torch.testing.assert_close(paired_iou(second, first), expected)


def test_inverted_boxes_have_no_overlap_with_themselves():
    inverted = torch.tensor([[10.0, 10.0, 5.0, 5.0]])
    assert paired_iou(inverted, inverted).item() == 0
