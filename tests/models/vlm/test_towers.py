"""The grid tower hands out MobileNetV2's own features, each with its place."""

import pytest
import torch
from torch.nn.functional import layer_norm
from transformers import AutoModel, MobileNetV2Model

from focus_mmdet.models.vlm.towers import MobileNetV2Grid, MobileNetV2GridConfig


@pytest.fixture(scope='module')
def tower():
    torch.manual_seed(0)
    return MobileNetV2Grid(MobileNetV2GridConfig(levels=(4, 11, 14), frequencies=3)).eval()


def test_features_are_those_of_mobilenet(tower):
    whole = MobileNetV2Model(tower.config).eval()
    whole.load_state_dict(tower.state_dict(), strict=False)
    images = torch.randn(2, 3, 96, 160)
    levels = whole(images, output_hidden_states=True).hidden_states
    output = tower(images, output_hidden_states=True)
    for own, state in zip(output.hidden_states, levels, strict=False):
        torch.testing.assert_close(own, state)
    given = output.last_hidden_state
    assert given.shape == (2, tower.config.hidden_size, 3, 5)
    for row, column in ((0, 0), (2, 4), (1, 3)):
        cell = given[1, :, row, column]
        # 4 x 4 finer cells of 32 channels, 2 x 2 of 96, one of 160.
        fine = levels[4][1, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].flatten()
        middle = levels[11][1, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten()
        coarse = levels[14][1, :, row, column]
        for part, found in zip(
            (fine, middle, coarse), cell[: 512 + 384 + 160].split((512, 384, 160)), strict=True
        ):
            torch.testing.assert_close(found, layer_norm(part, part.shape), rtol=1e-4, atol=1e-4)


def test_looks_are_the_levels_on_the_finest_grid_without_places(tower):
    output = tower(torch.randn(2, 3, 96, 160), output_hidden_states=True)
    looks = tower.looks(output.last_hidden_state)
    assert looks.shape == (2, 32 + 96 + 160, 12, 20)
    shifted = output.last_hidden_state.clone()
    shifted[:, -12:] += 1.0
    assert torch.equal(tower.looks(shifted), looks)
    fine, middle, coarse = looks.split((32, 96, 160), 1)
    torch.testing.assert_close(fine.norm(dim=1), torch.ones(2, 12, 20))
    for level in (middle, coarse):
        assert level.norm(dim=1).max() < 1 + 1e-4
    # The first finest cell of the first coarse one, before it was normalized with its neighbours.
    state = output.hidden_states[4][0]
    cell = state[:, :4, :4]
    expected = (state[:, 0, 0] - cell.mean()) / cell.std(correction=0)
    torch.testing.assert_close(fine[0, :, 0, 0], expected / expected.norm(), rtol=1e-4, atol=1e-4)


def test_a_place_is_told_alike_whatever_is_seen(tower):
    places = tower(torch.randn(2, 3, 64, 128)).last_hidden_state[:, -12:]
    assert torch.equal(places[0], places[1])
    flat = places[0].flatten(1).T
    assert (torch.cdist(flat, flat) + torch.eye(len(flat)) > 0.1).all()


def test_it_comes_back_from_a_folder(tower, tmp_path):
    tower.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval()
    images = torch.randn(1, 3, 64, 64)
    assert type(again) is MobileNetV2Grid
    assert torch.equal(again(images).last_hidden_state, tower(images).last_hidden_state)
