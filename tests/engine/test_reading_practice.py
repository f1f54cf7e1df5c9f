"""Boxes are read better after a few steps, and nothing above the layers that read has changed."""

import copy

import torch

from focus_mmdet.engine.reading_practice import ANSWERING, practise_reading
from focus_mmdet.models.sizing.small import build_small_vlm
from tests.conftest import ROOT


def check_what_was_trained(model, practised):
    names = {
        name
        for (name, before), after in zip(model.named_parameters(), practised.parameters(), strict=True)
        if not torch.equal(before, after)
    }
    untouched = ('vision_tower', 'projector', *(f'layers.{index}.' for index in range(ANSWERING + 1, 6)))
    assert names
    assert not any(part in name for name in names for part in untouched)
    assert len(practised.model.language_model.layers) == len(model.model.language_model.layers)


def test_practice_teaches_where_a_box_lies(tmp_path):
    masses = []

    def teach(model, tokenizer, numbers):
        before = copy.deepcopy(model)
        masses.extend(practise_reading(model, tokenizer, numbers, 30))
        check_what_was_trained(before, model)

    build_small_vlm(tmp_path / 'model', ROOT / 'checkpoints/mobilenet-v2', teach=teach)
    assert sum(masses[-5:]) > 1.4 * sum(masses[:5])
