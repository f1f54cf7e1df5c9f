"""Boxes are read better after a few steps, and nothing above the layers that practise has changed."""

import copy

import torch

from focus_mmdet.engine.practice import FINDING, practise_reading
from focus_mmdet.engine.practice.pasted_features import paste
from focus_mmdet.models.sizing.small import build_small_vlm
from tests.conftest import ROOT

PICTURES = sorted((ROOT / 'data/realset/images').glob('cat_*.jpg'))
BATCH = 4


def check_what_was_trained(model, practised):
    names = {
        name
        for (name, before), after in zip(model.named_parameters(), practised.parameters(), strict=True)
        if not torch.equal(before, after)
    }
    untouched = ('vision_tower', 'projector', *(f'layers.{index}.' for index in range(FINDING + 1, 6)))
    assert names
    assert not any(part in name for name in names for part in untouched)
    assert len(practised.model.language_model.layers) == len(model.model.language_model.layers)


def test_practice_teaches_where_a_box_lies_and_what_is_like_it(tmp_path):
    masses = {}

    def teach(model, tokenizer, numbers, seen):
        before = copy.deepcopy(model)
        masses.update(practise_reading(model, tokenizer, numbers, seen, 30))
        check_what_was_trained(before, model)

    build_small_vlm(tmp_path / 'model', ROOT / 'checkpoints/focus-small', PICTURES, teach=teach)
    for name in ('read', 'found'):
        assert sum(masses[name][-5:]) > 1.4 * sum(masses[name][:5]), name


def test_what_is_pasted_is_what_the_box_holds():
    seen = torch.arange(100.0).view(1, 1, 10, 10).repeat(2, 1, 1, 1)
    seen[1] += 1000
    boxes = torch.tensor([[[0.2, 0.1, 0.5, 0.4], [0.6, 0.5, 0.9, 0.8]]]).repeat(BATCH, 1, 1)
    support, query = paste(seen, boxes, strange=0.0)
    held, pasted = support[:, 0, 1:4, 2:5], query[:, 0, 5:8, 6:9]
    torch.testing.assert_close(pasted, held, rtol=0, atol=0.01)
    query[:, 0, 5:8, 6:9] = torch.nan
    rest = query[~query.isnan()].view(BATCH, -1)
    outside = torch.ones(10, 10, dtype=torch.bool)
    outside[5:8, 6:9] = False
    for each, given in zip(rest, support, strict=True):
        kept = [picture[0][outside] for picture in (*seen, given.flip(1))]
        assert any(torch.allclose(each, one, rtol=0, atol=0.01) for one in kept)
