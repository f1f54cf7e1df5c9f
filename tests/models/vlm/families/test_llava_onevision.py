"""LLaVA-OneVision's images are squares that end in a learned token."""

import numpy as np
import pytest
import torch

from focus_mmdet.models import FocusDetector
from tests.conftest import random_batch


def test_padding_and_the_margin_behind_the_last_patch_are_not_looked_at(shared_detector):
    """Four patches of 16 in a side of 68, and the image is the middle half of its square."""
    encoder = shared_detector('llava_onevision').data_preprocessor.encoder
    (seen,) = encoder.family.see([np.zeros((40, 80, 3), np.uint8)], encoder.processor.image_processor)
    rows = seen.places[:-1].view(4, 4, 4)
    assert seen.places[-1].isnan().all()
    x = torch.tensor([16, 32, 48, 64]) / 68
    torch.testing.assert_close(rows[1, :, 2], x)
    # The square begins half an image above the image, whose first row of patches sees padding alone.
    assert rows[0].isnan().all()
    torch.testing.assert_close(rows[1:, 0, 3], (x[1:] * 2 - 0.5).clamp(max=1))


@pytest.mark.parametrize('freeze', [False, 'tower'])
def test_all_that_trains_gets_a_gradient(vlm_folder, freeze):
    head = dict(type='VLMHead', freeze_vision=freeze)
    detector = FocusDetector(vlm_folder('llava_onevision'), bbox_head=head).train()
    batch = detector.data_preprocessor(random_batch(0, [1]))['inputs']
    detector.bbox_head.loss(batch, detector.pad_id)['loss_lm'].backward()
    trained = {name for name, weight in detector.named_parameters() if weight.requires_grad}
    assert trained == {name for name, weight in detector.named_parameters() if weight.grad is not None}
    assert any('image_newline' in name for name in trained)
    kept = {name for name, _ in detector.named_parameters()} - trained
    assert all(('post_layernorm' if freeze is False else 'vision_tower') in name for name in kept)
