"""Boxes of a part of an image are boxes of the image, to the pixel."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from PIL import Image

from focus_mmdet.apis.answers.answerer import Asked, Prepared
from focus_mmdet.apis.answers.zoom import CloserLook, tile_windows, window_round
from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.errors import InputError
from tests.conftest import ROOT

SIZES = st.tuples(st.integers(1, 400), st.integers(1, 400))


class SharpEyes:
    """Stands for the answerer: finds the brightest thing where it is at least a tenth of the picture wide."""

    model = SimpleNamespace(with_bbox=False)

    def __init__(self, share=0.1, least=0):
        self.share = share
        self.least = least
        self.asked = []

    def prepare(self, pixels, path='', size=None):
        sample = DetDataSample(metainfo={'ori_shape': pixels.shape[:2], 'img_path': path})
        return Prepared(torch.from_numpy(pixels), sample, None)

    def answer(self, reference, asked, picture=False):
        self.asked.append([query.image.shape[1::-1] for query in asked.queries])
        return [self.look(query.image.numpy(), query.sample.clone()) for query in asked.queries]

    def look(self, pixels, sample):
        rows, columns = np.nonzero(pixels[..., 0] == max(1, pixels.max()))
        boxes = []
        is_blind = pixels.shape[1] < self.least or not len(rows)
        if not is_blind and columns.max() + 1 - columns.min() >= self.share * pixels.shape[1]:
            boxes = [(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]
        bboxes = torch.tensor(np.array(boxes, np.float32).reshape(-1, 4))
        scores = torch.full((len(boxes),), float(pixels.max()) / 255)
        sample.pred_instances = InstanceData(bboxes=bboxes, scores=scores)
        return sample


def box_of(look, pixels):
    """What is found in an image, in its pixels."""
    query = look.prepare(pixels, 'a.jpg')
    (sample,) = look.answer(None, Asked([query]))
    assert (sample.ori_shape, sample.img_path) == (pixels.shape[:2], 'a.jpg')
    boxes = sample.pred_instances.bboxes.tolist()
    return tuple(boxes[0]) if boxes else None


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
    eyes = SharpEyes(share=0)
    assert box_of(CloserLook(eyes, zoom=True), picture(size, (box, 255))) == box
    assert len(eyes.asked) == (1 if window_round(box, size) == (0, 0, *size) else 2)


def test_the_first_answer_stays_where_there_is_nothing_more_to_see():
    eyes = SharpEyes()
    assert box_of(CloserLook(eyes, zoom=True), picture((100, 100))) is None
    assert box_of(CloserLook(eyes, zoom=True), picture((100, 100), ((10, 10, 90, 90), 255))) == (
        10,
        10,
        90,
        90,
    )
    assert eyes.asked == [[(100, 100)]] * 2
    blind = SharpEyes(least=200)
    pixels = picture((200, 200), ((5, 5, 25, 25), 255))
    assert box_of(CloserLook(blind, zoom=True), pixels) == (5, 5, 25, 25)
    assert blind.asked == [[(200, 200)], [(80, 80)]]


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
    eyes = SharpEyes()
    pixels = picture((1000, 600), ((813, 411, 833, 431), 250), ((200, 100, 218, 118), 200))
    assert box_of(eyes, pixels) is None
    eyes.asked.clear()
    assert box_of(CloserLook(eyes, tiles=150, batch_size=20), pixels) == (813, 411, 833, 431)
    # The first tile that shows it cuts it, so there was one look more.
    assert eyes.asked == [[(1000, 600)], *[[(150, 150)] * count for count in (20, 20, 14)], [(80, 80)]]
    assert box_of(CloserLook(eyes, tiles=100), picture((300, 300))) is None


def test_a_tile_as_large_as_the_image_is_no_tile():
    eyes = SharpEyes()
    box_of(CloserLook(eyes, tiles=300), picture((300, 200)))
    assert eyes.asked == [[(300, 200)]]


PHOTOS = ROOT / 'data/realset/images'
DUCK = (PHOTOS / 'duck_toy_00000.jpg', (126, 106, 373, 354))
ROBOT = (PHOTOS / 'robot_toy_00000.jpg', (100, 30, 390, 430))


@pytest.fixture
def scene(tmp_path):
    """A large JPEG, stored on its side, with a small duck; and the duck's box as it is seen."""
    duck = Image.open(DUCK[0]).convert('RGB').crop(DUCK[1]).resize((60, 60))
    seen = Image.new('RGB', (1200, 900), (150, 140, 130))
    seen.paste(duck, (811, 402))
    exif = Image.Exif()
    exif[0x0112] = 6
    seen.transpose(Image.Transpose.ROTATE_90).save(tmp_path / 'scene.jpg', exif=exif, quality=95)
    return tmp_path / 'scene.jpg', (811, 402, 871, 462)


def overlap(box, other):
    boxes = torch.tensor([box, other], dtype=torch.float32)
    return float(paired_iou(boxes[:1], boxes[1:]))


def test_a_small_object_in_a_large_photograph_is_found_where_it_is(matcher, scene):
    path, box = scene
    duck, robot = matcher.remember([DUCK], 'duck'), matcher.remember([ROBOT], 'robot')
    found = matcher([path, 'gone.jpg'], [duck, robot], tiles=350, batch_size=8)
    assert [(each.reference, each.size) for each in found] == [('duck', (1200, 900)), ('robot', (1200, 900))]
    assert [name for name, _ in matcher.unread] == ['gone.jpg']
    assert overlap(found[0].box, box) > 0.5
    (absent,) = matcher(path, robot, not_this=duck, tiles=350)
    assert (absent.box, absent.instead) == (None, 'duck')


@pytest.mark.parametrize('tiles', [-1, 63, 640.0, True, None, '640'])
def test_a_tile_has_a_side_of_whole_pixels(matcher, tiles):
    with pytest.raises(InputError, match=r'tiles=.*: give a whole number at least'):
        matcher(DUCK[0], [DUCK], tiles=tiles)
