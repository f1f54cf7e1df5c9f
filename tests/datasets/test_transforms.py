from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdet.registry import DATASETS, TRANSFORMS
from PIL import Image, ImageDraw

from focus_mmdet.datasets.drawn.scenes import background, compose_scene, hue_shifted, mean_hue, recoloured
from focus_mmdet.datasets.transforms import CropAroundBox, LoadFrame, budget_size
from focus_mmdet.errors import InputError
from tests.conftest import ROOT


def painted(width, height, box):
    """A black image whose box alone is white."""
    image = np.zeros((height, width, 3), np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = 255
    return image


def white_box(image):
    rows, columns = np.nonzero(image[..., 0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@given(st.data())
def test_a_crop_keeps_the_whole_box_and_the_box_follows(data):
    width, height = data.draw(st.integers(20, 90)), data.draw(st.integers(20, 90))
    x1, y1 = data.draw(st.integers(0, width - 5)), data.draw(st.integers(0, height - 5))
    box = [x1, y1, data.draw(st.integers(x1 + 2, width)), data.draw(st.integers(y1 + 2, height))]
    record = dict(
        img=painted(width, height, box), img_id=data.draw(st.integers(0, 99)), frame_index=1,
        instances=[dict(bbox=[float(v) for v in box], bbox_label=0, ignore_flag=0)],
    )  # fmt: skip
    crop = CropAroundBox((1.2, 3.0), seed=4)
    cropped = crop.transform(record)
    assert cropped['instances'][0]['bbox'] == white_box(cropped['img'])
    assert cropped['img'].shape[:2] == cropped['ori_shape'] == (cropped['height'], cropped['width'])
    again = crop.transform(record)
    assert np.array_equal(cropped['img'], again['img'])
    assert record['instances'][0]['bbox'] == box, 'the record itself stays'


@given(st.integers(8, 4000), st.integers(8, 4000), st.sampled_from([(4096, 16), (276480, 28)]))
def test_a_budget_is_kept_in_whole_patches(width, height, setting):
    budget, multiple = setting
    new = budget_size(width, height, budget, multiple)
    assert all(side % multiple == 0 and side >= multiple for side in new)
    if min(new) > multiple and width * height > budget:
        assert new[0] * new[1] <= budget


def test_a_resized_episode_is_not_resized_again_by_the_processor(vlm_folder):
    from focus_mmdet.models.vlm.processor import load_processor
    from focus_mmdet.models.vlm.vlm import load_family

    processor = load_processor(vlm_folder(), load_family(vlm_folder())).image_processor
    for width, height in [(480, 320), (97, 451), (33, 20), (64, 64)]:
        size = budget_size(width, height, 4096, 16)
        image = np.zeros((size[1], size[0], 3), np.uint8)
        grid = processor([image], return_tensors='pt')['image_grid_thw'][0]
        assert (int(grid[2]) * 8, int(grid[1]) * 8) == size


def test_a_frame_of_another_size_than_its_record_is_refused(tmp_path):
    path = tmp_path / 'a.png'
    Image.new('RGB', (40, 30)).save(path)
    record = dict(img_path=str(path), width=40, height=31)
    with pytest.raises(InputError, match=r'a\.png: the image is 40 x 30'):
        LoadFrame().transform(record)
    path.write_bytes(b'no image')
    with pytest.raises(InputError, match=r'a\.png: cannot be read'):
        LoadFrame().transform(record)


def test_sprite_boxes_are_exact():
    disc = Image.new('RGBA', (60, 60), (255, 0, 0, 0))
    ImageDraw.Draw(disc).ellipse((5, 5, 54, 54), fill=(255, 0, 0, 255))
    for seed in range(20):
        image, boxes = compose_scene(np.random.default_rng(seed), [disc], (96, 80), (0.3, 0.5))
        bare = np.asarray(background(np.random.default_rng(seed), (96, 80)))
        rows, columns = np.nonzero((image != bare).any(-1))
        drawn = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(drawn - boxes[0]).max() <= 1, 'up to the soft edge'


def sprites(shots=2, **options):
    return DATASETS.build(
        dict(
            type='SpriteEpisodeDataset', shots=shots,
            pipeline=[
                dict(type='RenderSpriteEpisode'),
                dict(type='ForEachFrame', transforms=[dict(type='LoadAnnotations', with_bbox=True)]),
                dict(type='PackEpisodeInputs'),
            ],
            **{'data_root': str(ROOT / 'data/sprites/train'), 'length': 4, **options},
        )
    )  # fmt: skip


def test_the_same_record_draws_the_same_pixels():
    first, second, other = sprites()[2], sprites()[2], sprites(seed=1)[2]
    assert len(first['inputs']) == 3
    assert all((a == b).all() for a, b in zip(first['inputs'], second['inputs'], strict=True))
    assert any((a != b).any() for a, b in zip(first['inputs'], other['inputs'], strict=True))


def test_another_target_asks_about_the_same_pixels():
    options = dict(look_alikes=1, same_colours=1, distractors=2, size=(128, 128), scale=(0.2, 0.3))
    episodes = [sprites(target=target, **options)[1] for target in range(5)]
    boxes = [episode['data_samples'].instances[0]['bbox'] for episode in episodes]
    assert len({tuple(box) for box in boxes}) == 5
    for target, episode in enumerate(episodes):
        assert all((a == b).all() for a, b in zip(episode['inputs'], episodes[0]['inputs'], strict=True))
        assert episode['data_samples'].distractors == boxes[:target] + boxes[target + 1 :]
        assert len(episode['data_samples'].supports[0].distractors) == 4


def test_look_alikes_share_shape_or_colours_but_not_both():
    files = sorted((ROOT / 'data/sprites/train').iterdir())[100:102]
    sprite, other = (Image.open(path).convert('RGBA') for path in files)
    turned, recolour = hue_shifted(sprite, 0.5), recoloured(other, sprite)
    assert (np.asarray(turned)[..., 3] == np.asarray(sprite)[..., 3]).all()
    assert (np.asarray(turned)[..., :3] != np.asarray(sprite)[..., :3]).any()
    assert (np.asarray(recolour)[..., 3] == np.asarray(other)[..., 3]).all()
    # Eight-bit hues round, so the means agree to a few steps.
    gap = abs(mean_hue(recolour) - mean_hue(sprite))
    assert min(gap, 1 - gap) < 0.02


def test_an_object_may_be_asked_for_without_a_support():
    episode = sprites(shots=0, distractors=0, look_alikes=0)[0]
    assert len(episode['inputs']) == 1
    assert episode['data_samples'].supports == []


@pytest.mark.parametrize(
    'options',
    [
        {'target': 'second'},
        {'target': 3},
        {'shots': -1},
        {'look_alikes': -1},
        {'same_colours': 0.5},
        {'distractors': -1},
    ],
)
def test_scenes_that_make_no_sense_are_named(options):
    with pytest.raises(InputError, match=next(iter(options))):
        sprites(**options)


def test_a_scene_too_small_for_its_objects_is_named():
    with pytest.raises(InputError, match='3 objects do not fit into a scene of 6 x 6 pixels'):
        sprites(distractors=1, look_alikes=1, size=(6, 6))[0]


def test_train_and_test_objects_are_disjoint():
    names = [
        {path.name for path in (ROOT / f'data/sprites/{split}').iterdir()} for split in ('train', 'test')
    ]
    assert names[0]
    assert names[1]
    assert names[0].isdisjoint(names[1])


def test_plain_drawings_differ_in_colour_but_where_they_shall_not():
    scene = dict(look_alikes=1, same_colours=1, distractors=2, size=(256, 256), scale=(0.2, 0.25))
    for episode in sprites(plain=1.0, shots=1, **scene):
        support, query = ([_inmost_colour(image, box) for box in boxes] for image, boxes in _objects(episode))
        assert np.abs(np.array(support) - query).max() < 12  # Interpolation at thin places.
        target, alike, same, *others = (np.array(colour) for colour in query)
        assert np.abs(target - same).max() < 12
        different = [target, alike, *others]
        assert all(np.abs(a - b).max() > 40 for a, b in combinations(different, 2))
    mixed = sprites(plain=0.5)
    assert {mixed.get_data_info(index)['plain'] for index in range(len(mixed))} == {False, True}
    with pytest.raises(InputError, match='at most 10 colours'):
        sprites(plain=0.1, distractors=11)


def _objects(episode):
    """Image and boxes of the support and of the query, the target first."""
    sample = episode['data_samples']
    for image, frame in zip(episode['inputs'], [*sample.supports, sample], strict=True):
        yield image, [frame.instances[0]['bbox'], *frame.distractors]


def _inmost_colour(image, box):
    """The colour that most pixels of a box have."""
    x1, y1, x2, y2 = map(int, box)
    pixels = image[:, y1:y2, x1:x2].flatten(1).T
    colours, counts = np.unique(pixels.numpy() // 8 * 8, axis=0, return_counts=True)
    return colours[counts.argmax()].astype(int)


def test_too_few_sprites_are_reported(tmp_path):
    with pytest.raises(InputError, match='0 sprites'):
        DATASETS.build(dict(type='SpriteEpisodeDataset', data_root=str(tmp_path), length=1, pipeline=[]))


@pytest.mark.parametrize(
    ('step', 'message'),
    [
        (dict(type='ResizeToPixelBudget', max_pixels=0, multiple=16), 'max_pixels=0'),
        (dict(type='ResizeToPixelBudget', max_pixels=100, multiple=0), 'multiple=0'),
        (dict(type='CropAroundBox', scale=(0.1, 0.5)), r'scale\[0\]'),
        (dict(type='CropAroundBox', scale=(3.0, 2.0)), r'scale\[1\]'),
    ],
)
def test_settings_that_make_no_sense_are_named(step, message):
    with pytest.raises(InputError, match=message):
        TRANSFORMS.build(step)


def test_an_image_too_narrow_for_a_vlm_is_named():
    resize = TRANSFORMS.build(dict(type='ResizeToPixelBudget', max_pixels=4096, multiple=16))
    with pytest.raises(InputError, match=r'line\.png: 2000 x 4'):
        resize.transform(dict(img=np.zeros((4, 2000, 3), np.uint8), img_path='line.png'))
    # 120 : 1, and 205 : 1 once both sides are rounded down.
    resize = TRANSFORMS.build(dict(type='ResizeToPixelBudget', max_pixels=276480, multiple=28))
    with pytest.raises(InputError, match=r'strip\.png: 7200 x 60, in whole patches 5740 x 28'):
        resize.transform(dict(img=np.zeros((60, 7200, 3), np.uint8), img_path='strip.png'))


def test_stock_transforms_run_on_every_frame():
    flip = TRANSFORMS.build(dict(type='ForEachFrame', transforms=[dict(type='RandomFlip', prob=1.0)]))
    frame = dict(img=painted(20, 20, [2, 3, 8, 9]), img_shape=(20, 20), gt_bboxes=np.zeros((0, 4)))
    support = dict(frame, img=painted(20, 20, [0, 0, 5, 5]))
    flipped = flip.transform({**frame, 'supports': [support]})
    assert white_box(flipped['img']) == [12, 3, 18, 9]
    assert white_box(flipped['supports'][0]['img']) == [15, 0, 20, 5]
