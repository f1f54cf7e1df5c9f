"""The matcher's arithmetic against loops over cells and pixels."""

import math
import operator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.core.feature_matching import box_cover, joined_levels, map_look, region_box


def overlap(low: float, high: float, first: float, last: float) -> float:
    return max(0.0, min(high, last) - max(low, first))


def slow_cover(box, rows, columns):
    x1, y1, x2, y2 = box.tolist()
    return [
        [
            overlap(x1, x2, j / columns, (j + 1) / columns)
            * columns
            * overlap(y1, y2, i / rows, (i + 1) / rows)
            * rows
            for j in range(columns)
        ]
        for i in range(rows)
    ]


def contrast_map(supports, boxes, query):
    return map_look(supports, boxes).contrasts(query.flatten(1).T).view(query.shape[1:])


def unit(vector):
    return vector / vector.norm()


def slow_contrast(supports, boxes, query):
    """Cell by cell, as the docstring says it."""
    _, _, rows, columns = supports.shape
    temperature = 0.1
    covers = [slow_cover(box, rows, columns) for box in boxes]
    cells = [(i, j) for i in range(rows) for j in range(columns)]
    asked = [query[:, i, j] for i in range(query.shape[1]) for j in range(query.shape[2])]

    def density(place, weights):
        total = 0.0
        for support, weight in zip(supports, weights, strict=True):
            mass = sum(weight[i][j] for i, j in cells)
            for i, j in cells if mass else ():
                cosine = float(unit(place) @ unit(support[:, i, j]))
                total += weight[i][j] / mass * math.exp(cosine / temperature)
        return temperature * math.log(total / sum(any(map(any, weight)) for weight in weights))

    outside = [[[1 - share for share in row] for row in cover] for cover in covers]
    full = not any(any(map(any, cover)) for cover in outside)
    alone = [density(place, covers) - (0 if full else density(place, outside)) for place in asked]
    shared = []
    for place in asked:
        near = [math.exp(float(unit(place) @ unit(other)) / temperature) for other in asked]
        shared.append(sum(map(operator.mul, near, alone)) / sum(near))
    return torch.tensor(shared).view(query.shape[1:])


@pytest.mark.parametrize('shots', [1, 3])
def test_contrasts_are_those_of_a_loop_over_cells(shots):
    torch.manual_seed(shots)
    supports, query = torch.randn(shots, 5, 4, 6), torch.randn(5, 3, 7)
    boxes = [torch.cat([low, low + 0.1 + 0.5 * torch.rand(2)]) for low in 0.4 * torch.rand(shots, 2)]
    expected = slow_contrast(supports, boxes, query)
    torch.testing.assert_close(contrast_map(supports, boxes, query), expected, rtol=0, atol=1e-5)


def test_boxes_hold_the_same_where_their_mean_features_point_the_same_way():
    torch.manual_seed(0)
    supports, query = torch.randn(2, 5, 4, 6), torch.randn(5, 3, 7)
    boxes = torch.tensor([[0.1, 0.2, 0.6, 0.9], [0.0, 0.0, 1.0, 1.0], [0.41, 0.3, 0.43, 0.35]])

    def held(image, box):
        _, rows, columns = image.shape
        cover = slow_cover(box, rows, columns)
        cells = [(cover[i][j], unit(image[:, i, j])) for i in range(rows) for j in range(columns)]
        return sum(share * cell for share, cell in cells) / sum(share for share, _ in cells)

    look = map_look(supports, list(boxes[:2]))
    mean = (held(supports[0], boxes[0]) + held(supports[1], boxes[1])) / 2
    covers = torch.stack([box_cover(box, (3, 7)).flatten() for box in boxes])
    expected = [float(unit(held(query, box)) @ unit(mean)) for box in boxes]
    assert look.alike(query.flatten(1).T, covers).tolist() == pytest.approx(expected, abs=1e-5)


def test_levels_of_several_resolutions_count_alike_on_the_finest_grid():
    fine, coarse = torch.rand(2, 3, 4, 6), 7 * torch.rand(2, 5, 2, 3)
    joined = joined_levels([coarse, fine])
    assert joined.shape == (2, 8, 4, 6)
    torch.testing.assert_close(joined[:, 5:], fine / fine.norm(dim=1, keepdim=True))
    # A corner of an interpolated level is the coarse cell's own.
    torch.testing.assert_close(
        joined[:, :5, 0, 0], coarse[:, :, 0, 0] / coarse[:, :, :1, :1].norm(dim=1)[:, 0]
    )


def test_boxes_thinner_than_a_cell_and_those_that_fill_the_image():
    thin = torch.tensor([0.3, 0.26, 0.31, 0.27])
    torch.testing.assert_close(box_cover(thin, (4, 4)), torch.tensor(slow_cover(thin, 4, 4)))
    assert box_cover(thin, (4, 4)).nonzero().tolist() == [[1, 1]]
    features = torch.randn(1, 3, 2, 2)
    everything = contrast_map(features, [torch.tensor([0.0, 0, 1, 1])], features[0])
    torch.testing.assert_close(
        everything, slow_contrast(features, [torch.tensor([0.0, 0, 1, 1])], features[0])
    )


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_the_region_is_what_is_reached_from_the_maximum(seed, threshold):
    contrast = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(contrast[None, None], scale_factor=4, mode='bilinear')[0, 0]
    high = fine >= min(threshold * fine.max(), fine.max())
    reached, new = set(), [divmod(int(fine.argmax()), 20)]
    while new:
        i, j = new.pop()
        if 0 <= i < 16 and 0 <= j < 20 and high[i, j] and (i, j) not in reached:
            reached.add((i, j))
            new += [(i + down, j + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    rows, columns = zip(*reached, strict=True)
    expected = [min(columns) / 20, min(rows) / 16, (max(columns) + 1) / 20, (max(rows) + 1) / 16]
    assert region_box(contrast, threshold).tolist() == pytest.approx(expected)


def test_of_two_regions_the_one_with_the_maximum_is_boxed():
    contrast = torch.zeros(16, 16)
    contrast[2:6, 1:9] = 1.0
    contrast[10:14, 10:14] = 0.9
    truth = torch.tensor([[1, 2, 9, 6]]) / 16
    assert paired_iou(region_box(contrast, 0.5)[None], truth) > 0.9
    for flat in (-1.0, 0.0, 1.0):
        assert region_box(torch.full((4, 4), flat), 0.7).tolist() == [0, 0, 1, 1]
