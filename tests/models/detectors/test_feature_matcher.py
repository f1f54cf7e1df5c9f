"""Planted objects are found, in pixels of the original query, by every kind of backbone."""

import copy
import math

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from PIL import Image
from torch.nn.functional import normalize
from transformers import (
    BitImageProcessorPil,
    Dinov2Config,
    Dinov2Model,
    MobileNetV2Config,
    MobileNetV2Model,
    ResNetConfig,
    ResNetModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.cli import read_config
from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.core.feature_matching import box_cover, region_box
from focus_mmdet.errors import InputError
from focus_mmdet.models import FeatureMatcher
from tests.conftest import ROOT, random_batch

TINY = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, patch_size=8, image_size=64)
#: Model and level of each kind.
KINDS = {
    'dinov2': (Dinov2Model, Dinov2Config(**TINY), 1),
    'siglip': (SiglipVisionModel, SiglipVisionConfig(**TINY, intermediate_size=32), 0),
    'resnet': (
        ResNetModel,
        ResNetConfig(embedding_size=16, hidden_sizes=[16, 16], depths=[1, 1], layer_type='basic'),
        1,
    ),
    'mobilenet': (MobileNetV2Model, MobileNetV2Config(depth_multiplier=0.5, tf_padding=False), 1),
}
#: Where the object is, in 0..1 of its image.
PLACES = [(0.125, 0.25, 0.5, 0.625), (0.5, 0.125, 0.875, 0.5), (0.25, 0.5, 0.75, 0.875)]


@pytest.fixture(scope='module')
def make(tmp_path_factory):
    """A FeatureMatcher over a random backbone of a kind, whose folder is written once."""
    folders = {}

    def build(kind='dinov2', **options):
        model, config, level = KINDS[kind]
        if kind not in folders:
            torch.manual_seed(1)
            folders[kind] = str(tmp_path_factory.mktemp(kind))
            model(config).save_pretrained(folders[kind])
            BitImageProcessorPil().save_pretrained(folders[kind])
        backbone = dict(type='VisionBackbone', pretrained=folders[kind], level=level)
        config = dict(type='FeatureMatcher', backbone=backbone, **{'size': 128, 'threshold': 0.5, **options})
        return MODELS.build(config).eval()

    return build


def frame(size, place, object_colour, ground_colour, rng):
    """A plain ground with noise on it and one object, as an image and its sample."""
    width, height = size
    pixels = np.empty((height, width, 3))
    pixels[:] = ground_colour
    x1, y1, x2, y2 = (round(value * side) for value, side in zip(place, (width, height) * 2, strict=True))
    pixels[y1:y2, x1:x2] = object_colour
    pixels = (pixels + rng.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8)
    sample = DetDataSample(metainfo=dict(img_id=0, img_shape=(height, width), ori_shape=(height, width)))
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[x1, y1, x2, y2]]).float(), labels=torch.zeros(1).long()
    )
    return torch.from_numpy(pixels).permute(2, 0, 1), sample


def planted(sizes, seed=0, colours=None):
    """An episode of the same object at other places of images of other shapes, collated."""
    rng = np.random.default_rng(seed)
    colours = colours or ((220, 60, 40), (60, 120, 90))
    frames = [frame(size, PLACES[i % 3], *colours, rng) for i, size in enumerate(sizes)]
    sample = frames[-1][1]
    sample.supports = [support for _, support in frames[:-1]]
    return {'inputs': [[image for image, _ in frames]], 'data_samples': [sample]}


@pytest.mark.parametrize('kind', KINDS)
def test_a_planted_object_is_found_whatever_the_shapes_of_the_images(make, kind):
    matcher = make(kind)
    for sizes in ([(320, 160), (150, 400)], [(96, 128), (500, 300)]):
        data = planted(sizes)
        (sample,) = matcher.test_step(data)
        found = sample.pred_instances
        assert found.bboxes.shape == (1, 4)
        assert float(paired_iou(found.bboxes, sample.gt_instances.bboxes)) > 0.6
        assert 0 < float(found.scores) <= 1


def test_boxes_are_in_pixels_of_the_query_as_it_was_read(make):
    data = planted([(320, 160), (150, 400)])
    sample = data['data_samples'][0]
    sample.set_metainfo(dict(ori_shape=(1200, 300)))
    found = make().test_step(data)[0].pred_instances.bboxes
    truth = sample.gt_instances.bboxes * torch.tensor([2, 3, 2, 3])
    assert float(paired_iou(found, truth)) > 0.6


def test_grounds_of_all_supports_count(make):
    """The query's ground is that of the second support alone."""
    red, blue, green = (220, 40, 40), (40, 40, 220), (60, 200, 60)
    rng = np.random.default_rng(0)
    frames = [
        frame((128, 128), PLACES[0], red, blue, rng),
        frame((128, 128), PLACES[1], red, green, rng),
        frame((128, 128), PLACES[2], red, green, rng),
    ]
    sample = frames[-1][1]
    contrasts = []
    for supports in (frames[:1], frames[:-1]):
        sample.supports = [support for _, support in supports]
        images = [image for image, _ in (*supports, frames[-1])]
        contrasts += make('mobilenet')([images], [sample], mode='tensor')
    found = region_box(contrasts[1], 0.5) * 128
    assert float(paired_iou(found[None], sample.gt_instances.bboxes)) > 0.9
    # The corner shows ground.
    assert contrasts[1][0, -1] < contrasts[0][0, -1]


@pytest.mark.parametrize('shots', [1, 8])
def test_episodes_of_a_batch_do_not_mix(make, shots):
    matcher = make()
    batch = random_batch(0, [shots, 1, 3])
    together = matcher.test_step(copy.deepcopy(batch))
    for i, sample in enumerate(together):
        alone = {'inputs': batch['inputs'][i : i + 1], 'data_samples': batch['data_samples'][i : i + 1]}
        single = matcher.test_step(alone)[0].pred_instances
        torch.testing.assert_close(sample.pred_instances.bboxes, single.bboxes)
        torch.testing.assert_close(sample.pred_instances.scores, single.scores)


@pytest.mark.parametrize('shots', [1, 3])
def test_scores_are_of_the_best_place_and_of_what_is_found_again(make, shots):
    matcher, data = make(), random_batch(shots, [shots])
    (features,) = matcher.extract_feat(data['inputs'])
    query = normalize(features[-1].flatten(1), dim=0)
    found = []
    for support, image, held in zip(
        features, data['inputs'][0], data['data_samples'][0].supports, strict=False
    ):
        box = held.gt_instances.bboxes[0] / torch.tensor([*image.shape[:0:-1]] * 2)
        cover = box_cover(box, tuple(support.shape[1:]))
        places = [(normalize(support[:, y, x], dim=0), float(cover[y, x])) for y, x in cover.nonzero()]
        found.append(sum(share * float((query.T @ place).max()) for place, share in places) / cover.sum())
    (contrast,) = matcher(**data, mode='tensor')
    expected = (float(contrast.max()) + float(max(found))) / 2
    (sample,) = matcher.test_step(data)
    assert float(sample.pred_instances.scores) == pytest.approx(min(max(expected, 0), 1), abs=1e-4)


def test_calibrated_scores_keep_their_order(make):
    raw, fitted = make(), make(score_calibration=(4.0, 1.0))
    scores = []
    for seed in range(4):
        data = planted([(96, 96), (96, 96)], seed, ((60 + 40 * seed, 60, 60), (60, 60, 60)))
        pair = [float(each.test_step(copy.deepcopy(data))[0].pred_instances.scores) for each in (raw, fitted)]
        assert pair[1] == pytest.approx(1 / (1 + math.exp(-4 * math.log(pair[0] / (1 - pair[0])) - 1)), 1e-4)
        scores.append(pair)
    assert sorted(scores) == sorted(scores, key=lambda pair: pair[1])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'size': 0}, 'model.size=0: give a whole number at least 32'),
        ({'size': 2.5}, 'model.size=2.5'),
        ({'score_calibration': (0, 1)}, 'model.score_calibration: scale=0'),
        ({'score_calibration': 5}, 'model.score_calibration=5: give two numbers'),
        ({'score_calibration': (1, 2, 3)}, 'model.score_calibration=.* give two numbers'),
        ({'threshold': 1.5}, 'model.threshold=1.5: give a number at least 0 and at most 1'),
    ],
)
def test_bad_settings_are_named(make, options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


def test_sizes_that_the_shipped_eyes_do_not_divide_are_named():
    matcher = MODELS.build(
        dict(
            type='FeatureMatcher',
            size=336,
            backbone=dict(pretrained='checkpoints/focus-small', level=[11, 12]),
        )
    ).eval()
    with pytest.raises(InputError, match=r'model.size=336: .*patches of 32 pixels; give .*, such as 320'):
        matcher.test_step(planted([(64, 64), (64, 64)]))


def test_the_eyes_of_a_vlm_that_does_not_take_images_as_they_are_are_refused():
    backbone = dict(pretrained='checkpoints/focus-tiny-base')
    with pytest.raises(InputError, match='does not take images as they are'):
        MODELS.build(dict(type='FeatureMatcher', backbone=backbone))


def test_what_it_cannot_answer_is_said(make):
    matcher = make()
    data = planted([(64, 64), (64, 64)])
    with pytest.raises(InputError, match="nothing trained to load; give 'none'"):
        matcher.load_state_dict({})
    with pytest.raises(InputError, match='nothing to train'):
        matcher(**data, mode='loss')
    with pytest.raises(InputError, match='collate_episodes'):
        matcher.predict([*data['inputs'], *data['inputs']], data['data_samples'])
    data['data_samples'][0].supports = []
    with pytest.raises(InputError, match='episode 0: FeatureMatcher needs a support'):
        matcher.test_step(data)


def test_the_inferencer_takes_it(make, tmp_path):
    matcher = make('resnet')
    assert isinstance(matcher, FeatureMatcher)
    config = read_config(
        str(ROOT / 'configs/feature_matcher_mobilenet_v2.py'),
        {
            'model.backbone.pretrained': matcher.backbone.folder,
            'model.backbone.level': 1,
            'model.threshold': 0.5,
        },
    )
    data = planted([(200, 100), (100, 250)])
    paths = []
    for i, image in enumerate(data['inputs'][0]):
        paths.append(tmp_path / f'{i}.png')
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(paths[-1])
    sample = data['data_samples'][0]
    box = sample.supports[0].gt_instances.bboxes[0].tolist()
    (found,) = InContextInferencer(config, device='cpu')([paths[1]], [(paths[0], box)], picture=True)
    assert float(paired_iou(torch.tensor([found.box]), sample.gt_instances.bboxes)) > 0.6
    assert found.answer == ''
    assert found.picture.dtype == np.uint8


@pytest.mark.parametrize('shots', [1, 4])
def test_each_image_is_seen_once_and_the_answers_are_those_of_whole_episodes(make, monkeypatch, shots):
    config = read_config(
        str(ROOT / 'configs/feature_matcher_mobilenet_v2.py'),
        {'model.backbone.pretrained': make('mobilenet').backbone.folder, 'model.backbone.level': 1},
    )
    find = InContextInferencer(config, device='cpu')
    episodes = [planted([(90, 120)] * shots + [(150, 100)], seed) for seed in range(3)]
    expected = [find.model.test_step(copy.deepcopy(episode))[0].pred_instances for episode in episodes]
    images = [[image.permute(1, 2, 0).numpy() for image in episode['inputs'][0]] for episode in episodes]
    references = [
        find.remember(
            [
                (image, support.gt_instances.bboxes[0].tolist())
                for image, support in zip(seen, episode['data_samples'][0].supports, strict=False)
            ],
            str(index),
        )
        for index, (seen, episode) in enumerate(zip(images, episodes, strict=True))
    ]
    seen = []
    look = find.model.backbone.forward
    monkeypatch.setattr(
        find.model.backbone, 'forward', lambda images: seen.append(len(images)) or look(images)
    )
    found = find([each[-1] for each in images], references, batch_size=2, picture=True)
    assert sum(seen) == 3 * shots + 3
    for index, each in enumerate(expected):
        answer = found[3 * index + index]
        np.testing.assert_allclose(answer.box, each.bboxes[0].tolist(), rtol=1e-4)
        assert answer.score == pytest.approx(float(each.scores[0]), rel=1e-4)
        assert answer.picture is not None
