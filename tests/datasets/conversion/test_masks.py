"""Boxes of masks hold every pixel and none beside them, whatever the mask's coding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from pycocotools import mask as coco_mask

from focus_mmdet.datasets.conversion.masks import (
    box_iou,
    label_boxes,
    mask_box,
    read_labels,
    read_mask,
    rle_box,
)
from focus_mmdet.errors import InputError

masks = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 1))


@given(masks)
def test_boxes_are_tight_and_run_lengths_agree(mask):
    height, width = mask.shape
    box = mask_box(mask)
    ys, xs = mask.nonzero()
    expected = (xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1) if len(xs) else None
    assert box == expected
    coded = coco_mask.encode(np.asfortranarray(mask))
    assert rle_box(coded['counts'].decode(), width, height) == expected
    flat = mask.flatten(order='F')
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    runs = np.diff([0, *edges, flat.size]).tolist()
    assert rle_box(runs, width, height) == expected


def test_run_lengths_of_another_image_are_refused():
    mask = np.ones((10, 12), np.uint8, order='F')
    counts = coco_mask.encode(mask)['counts'].decode()
    with pytest.raises(ValueError, match='beyond 5 x 10'):
        rle_box(counts, 5, 10)


def test_label_images_are_read_by_index_not_by_colour(tmp_path):
    labels = np.zeros((6, 8), np.uint8)
    labels[1:3, 2:5], labels[4, 6], labels[0, 0] = 1, 2, 255
    image = Image.fromarray(labels, mode='P')
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [9] * 759)
    image.save(tmp_path / 'palette.png')
    read = read_labels(tmp_path / 'palette.png')
    assert label_boxes(read, void=255) == {1: (2, 1, 3, 2), 2: (6, 4, 1, 1)}
    image.convert('RGBA').save(tmp_path / 'colour.png')
    with pytest.raises(InputError, match='RGBA has no value'):
        read_labels(tmp_path / 'colour.png')
    assert mask_box(read_mask(tmp_path / 'colour.png')) == (0, 0, 7, 5)
    (tmp_path / 'broken.png').write_bytes((tmp_path / 'colour.png').read_bytes()[:40])
    for name in ('broken.png', 'gone.png'):
        with pytest.raises(InputError, match=name):
            read_labels(tmp_path / name)
        with pytest.raises(InputError, match=name):
            read_mask(tmp_path / name)


def test_iou_of_boxes():
    assert box_iou((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 10, 10), (20, 0, 10, 10)) == 0


def test_transparent_pixels_and_black_of_a_palette_show_nothing(tmp_path):
    Image.new('RGBA', (8, 6), (255, 255, 255, 0)).save(tmp_path / 'clear.png')
    assert mask_box(read_mask(tmp_path / 'clear.png')) is None
    labels = np.full((6, 8), 255, np.uint8)
    labels[1:3, 2:5] = 1
    image = Image.fromarray(labels, mode='P')
    image.putpalette([9, 9, 9, 255, 0, 0] + [0] * 762)
    image.save(tmp_path / 'palette.png')
    assert mask_box(read_mask(tmp_path / 'palette.png')) == (2, 1, 3, 2)


@pytest.mark.parametrize('counts', [[0, 10], [10, 120], [-1, 121], [0.5, 119.5], [[1, 2]]])
def test_run_lengths_that_do_not_fill_the_image_are_refused(counts):
    with pytest.raises(ValueError, match='do not fill 12 x 10'):
        rle_box(counts, 12, 10)
