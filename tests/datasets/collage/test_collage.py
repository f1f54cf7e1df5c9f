"""Boxes of made pictures are exact, look-alikes stay themselves, and what is absent is."""

import cv2
import numpy as np
import pytest

from focus_mmdet.datasets.collage.collage import Photo, PictureMaker
from focus_mmdet.datasets.collage.cutouts import cut_out, glued
from focus_mmdet.datasets.collage.views import in_another_pose


def drawing(rng):
    pixels = np.zeros((60, 40, 4), np.uint8)
    pixels[..., :3] = rng.integers(0, 256, 3)
    pixels[..., 3] = 255
    return pixels


@pytest.fixture(scope='module')
def photo():
    """A red disc on a green field."""
    pixels = np.full((240, 320, 3), (40, 160, 60), np.uint8)
    cv2.circle(pixels, (150, 110), 50, (30, 30, 220), -1)
    pixels = cv2.add(pixels, np.random.default_rng(0).integers(0, 20, pixels.shape, dtype=np.uint8))
    return Photo(pixels, {'disc': (100.0, 60.0, 201.0, 161.0)})


@pytest.fixture(scope='module')
def maker(photo):
    rng = np.random.default_rng(1)
    return PictureMaker([photo], [{f'card {number}': [drawing(rng)] for number in range(6)}])


def test_an_object_is_cut_out_of_its_photograph(photo):
    cutout = cut_out(photo.pixels, photo.boxes['disc'])
    assert cutout.shape[:2] == pytest.approx((101, 101), abs=4)
    share = (cutout[..., 3] > 128).mean()
    assert share == pytest.approx(np.pi / 4, abs=0.03)


def test_views_keep_the_box_round_the_object(maker):
    seen = 0
    for seed in range(40):
        picture = maker.view(np.random.default_rng(seed))
        if picture is None:
            continue
        blue, green, red = np.moveaxis(picture.pixels.astype(int), -1, 0)
        rows, columns = np.nonzero((red > green + 20) & (red > blue + 20))
        found = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        (box,) = picture.boxes.values()
        assert np.allclose(found, box, atol=max(picture.pixels.shape) / 40)
        seen += 1
    assert seen > 20


@pytest.mark.parametrize('bend', [0, 0.1])
def test_boxes_of_a_collage_hold_what_was_pasted(maker, monkeypatch, bend):
    monkeypatch.setattr(maker, 'bend', bend)
    plain = np.full((60, 40, 4), 255, np.uint8)
    monkeypatch.setattr(maker, 'appearance', lambda name, rng: plain)
    monkeypatch.setattr(
        maker, '_background', lambda rng, width, height: (np.zeros((height, width, 3), np.uint8), {})
    )
    for seed in range(30):
        picture = maker.collage(np.random.default_rng(seed))
        shown = picture.pixels.max(-1) > 15
        boxed = np.zeros_like(shown)
        for x1, y1, x2, y2 in picture.boxes.values():
            boxed[int(y1) : int(y2), int(x1) : int(x2)] = True
            inside = np.argwhere(shown[int(y1) : int(y2), int(x1) : int(x2)])
            # It reaches all four sides of its box.
            assert (inside.min(0) <= 1).all()
            assert (inside.max(0) >= (y2 - y1 - 2, x2 - x1 - 2)).all()
        assert not (shown & ~boxed).any()


def test_a_look_alike_always_looks_the_same(maker):
    for kind in ('coloured', 'stuffed'):
        first = maker.appearance(f'{kind} card 0', np.random.default_rng(0))
        again = maker.appearance(f'{kind} card 0', np.random.default_rng(1))
        assert np.array_equal(first, again)
        assert not np.array_equal(
            first[..., :3], maker.appearance('plain card 0', np.random.default_rng(0))[..., :3]
        )
        assert np.array_equal(first[..., 3], maker.cutouts['card 0'][0][..., 3])


def test_what_is_absent_is_neither_shown_nor_in_the_background(maker, monkeypatch):
    monkeypatch.setattr(
        maker,
        '_background',
        lambda rng, width, height: (np.zeros((height, width, 3), np.uint8), {'card 0': ()}),
    )
    alike = 0
    for seed in range(60):
        picture = maker.collage(np.random.default_rng(seed))
        assert not any('card 0' in name for name in [*picture.boxes, *picture.absent])
        assert not set(picture.absent) & set(picture.boxes)
        bases = {name.partition(' ')[2] for name in picture.boxes}
        alike += any(name.partition(' ')[2] in bases for name in picture.absent)
    assert alike > 20


def test_the_same_numbers_make_the_same_picture(maker):
    first, again = (maker(np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.pixels, again.pixels)
    assert first.boxes == again.boxes


def test_larger_pictures_hold_larger_objects(photo):
    cards = {f'card {number}': [drawing(np.random.default_rng(number))] for number in range(6)}
    small, large = (PictureMaker([photo], [cards], scale=scale) for scale in (1, 3))
    first, second = (maker.collage(np.random.default_rng(3)) for maker in (small, large))
    assert [side / 3 for side in second.pixels.shape[:2]] == list(first.pixels.shape[:2])
    sides = [max(box[2] - box[0] for box in picture.boxes.values()) for picture in (first, second)]
    assert sides[1] > 2 * sides[0]


def test_two_objects_are_glued_into_one_that_holds_both():
    first, second = np.full((60, 40, 4), 255, np.uint8), np.full((20, 50, 4), 255, np.uint8)
    second[..., :3] = (0, 0, 200)
    for seed in range(40):
        both = glued(first, second, np.random.default_rng(seed))
        seen, red = both[..., 3] > 64, (both[..., 2] > 150) & (both[..., 0] < 100) & (both[..., 3] > 64)
        parts, _ = cv2.connectedComponents(seen.astype(np.uint8))
        assert parts == 2
        assert 60 * 40 < seen.sum() < 60 * 40 + red.sum() + 4
        assert all(side.any() for side in (seen[0], seen[-1], seen[:, 0], seen[:, -1]))
        # Half of the larger one at least is not hidden.
        assert (seen & ~red).sum() > 0.5 * 60 * 40


def test_a_thread_is_glued_on_as_well():
    first, thread = np.full((20, 20, 4), 255, np.uint8), np.full((1, 200, 4), 255, np.uint8)
    assert glued(first, thread, np.random.default_rng(0)).shape[1] >= 20


def test_another_pose_keeps_an_object_whole_and_moves_its_parts():
    card = np.zeros((80, 60, 4), np.uint8)
    card[..., 3] = 255
    card[:40, :30, :3] = 200
    poses = [in_another_pose(card, np.random.default_rng(seed), 0.1) for seed in range(20)]
    for pose in poses:
        seen = pose[..., 3] > 64
        assert seen.sum() == pytest.approx(80 * 60, rel=0.2)
        assert not any(side.any() for side in (seen[0], seen[-1], seen[:, 0], seen[:, -1]))
    left = [np.nonzero(pose[..., 0] > 30)[1].mean() < pose.shape[1] / 2 for pose in poses]
    assert 4 < sum(left) < 16
