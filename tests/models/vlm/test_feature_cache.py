"""Kept features are those that would be computed, and no more of them than there is room for."""

import pytest
import torch

from focus_mmdet.errors import InputError
from focus_mmdet.models import FocusDetector
from focus_mmdet.models.vlm.feature_cache import FeatureCache
from tests.conftest import random_batch


@pytest.mark.parametrize('limit', [1.0, 10 * 16 / 2**30, 0.0])
def test_each_image_gets_its_own_features(limit):
    cache, images, computed = FeatureCache(limit), torch.rand(4, 1, 3, 2, 2).unbind(), []

    def features(some):
        computed.extend(some)
        return [image[0, 0].flatten() + image.sum() for image in some]

    for order in ([0, 1, 0], [2, 1], [3, 0, 2]):
        found = cache([images[index] for index in order], features)
        for index, each in zip(order, found, strict=True):
            (expected,) = features([images[index]])
            torch.testing.assert_close(each, expected.half().float(), rtol=0, atol=0)
            computed.pop()
    assert len(computed) == (4 if limit else 7)


def test_a_detector_learns_alike_with_and_without(vlm_folder):
    batches = [random_batch(0, [1, 1], [(64, 64)])] * 2
    losses = {}
    for limit in (0.0, 0.01):
        head = dict(type='VLMHead', freeze_vision='tower', feature_cache=limit)
        detector = FocusDetector(vlm_folder('fast_vlm'), bbox_head=head)
        encoded = [detector.data_preprocessor(batch)['inputs'] for batch in batches]
        losses[limit] = [detector.bbox_head.loss(batch, detector.pad_id)['loss_lm'] for batch in encoded]
    assert len(detector.bbox_head.vlm.family.cache) == 4
    assert torch.equal(*losses[0.01])
    torch.testing.assert_close(losses[0.01][0], losses[0.0][0], rtol=1e-3, atol=0)


def test_other_families_say_that_they_keep_none(vlm_folder):
    with pytest.raises(InputError, match='feature_cache'):
        FocusDetector(vlm_folder('qwen2_vl'), bbox_head=dict(type='VLMHead', feature_cache=1.0))
