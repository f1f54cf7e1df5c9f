"""Each visual token looks where its pixels come from."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import random_frame
from tests.models.vlm.families.references import LAYOUTS

#: Of an image's side: what resizing blurs an edge by, and more.
BLUR = 0.04


@pytest.mark.parametrize('family', LAYOUTS)
@settings(max_examples=12)
@given(
    size=st.tuples(st.integers(40, 160), st.integers(40, 160)),
    corner=st.tuples(st.floats(0, 0.7), st.floats(0, 0.7)),
)
def test_tokens_look_where_their_pixels_come_from(shared_detector, family, size, corner):
    encoder = shared_detector(family).data_preprocessor.encoder
    width, height = size
    x1, y1 = int(corner[0] * width), int(corner[1] * height)
    x2, y2 = x1 + max(1, width // 4), y1 + max(1, height // 4)
    black, painted = np.zeros((2, height, width, 3), np.uint8)
    painted[y1:y2, x1:x2] = 255
    before, after = encoder.family.see([black, painted], encoder.processor.image_processor)
    changed = LAYOUTS[family].changed(encoder.family, before, after)
    assert len(changed) == len(after.places)
    for token, place in zip(changed.tolist(), after.places.tolist(), strict=True):
        left, top = max(place[0], x1 / width), max(place[1], y1 / height)
        right, bottom = min(place[2], x2 / width), min(place[3], y2 / height)
        shared = min(right - left, bottom - top)  # NaN where the token looks nowhere.
        if token:
            assert shared > -BLUR
        else:
            assert not shared > BLUR


@pytest.mark.parametrize('family', LAYOUTS)
def test_prompts_hold_what_the_processor_writes_for_an_image(shared_detector, family):
    encoder = shared_detector(family).data_preprocessor.encoder
    rng = np.random.default_rng(0)
    for size in [(64, 64), (30, 90), (200, 50)]:
        image = random_frame(rng, size)[0].permute(1, 2, 0).numpy()
        (seen,) = encoder.family.see([image], encoder.processor.image_processor)
        assert seen.text == LAYOUTS[family].text(encoder.family, encoder.processor.image_processor, image)
        ids = torch.tensor(encoder.tokenizer(seen.text, add_special_tokens=False)['input_ids'])
        assert int(encoder.family.image_mask(ids).sum()) == len(seen.places)


@pytest.mark.parametrize('family', LAYOUTS)
def test_an_image_is_given_as_it_is_alone(shared_detector, family):
    """Images of a batch, of any sizes, do not change each other, and neither do their features."""
    detector = shared_detector(family)
    encoder, vlm = detector.data_preprocessor.encoder, detector.bbox_head.vlm
    images = [random_frame(np.random.default_rng(1), size)[0] for size in [(64, 64), (96, 48), (48, 80)]]
    together = encoder.see(images)
    counts = [len(image.places) for image in together]
    with torch.no_grad():
        features = vlm.family.image_features(vlm.model, [image.tensors for image in together], counts)
        for image, seen, joint, count in zip(images, together, features, counts, strict=True):
            (alone,) = encoder.see([image])
            assert alone.text == seen.text
            torch.testing.assert_close(alone.tensors, seen.tensors)
            (own,) = vlm.family.image_features(vlm.model, [alone.tensors], [count])
            torch.testing.assert_close(own, joint, rtol=1e-4, atol=1e-5)
