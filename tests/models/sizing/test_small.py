"""What the small model knows before it is trained: numbers, and where they are in the image."""

import cv2
import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from focus_mmdet.core.prompt import ABSENT_ANSWER, format_answer, format_box
from focus_mmdet.models import VisionBackbone
from focus_mmdet.models.data_preprocessors.episode_encoder import EpisodeEncoder
from focus_mmdet.models.sizing.small import CELLS, build_small_vlm
from focus_mmdet.models.vlm.towers import place_grid
from tests.conftest import ROOT

EYES = ROOT / 'checkpoints/focus-small'
PICTURES = sorted((ROOT / 'data/realset/images').glob('cat_*.jpg'))


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp('small') / 'model'
    build_small_vlm(folder, EYES, PICTURES)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    numbers = tokenizer.convert_tokens_to_ids([str(number) for number in range(CELLS + 1)])
    return model, tokenizer, numbers


def test_a_coordinate_is_one_token(small):
    _, tokenizer, numbers = small
    box = (0, 7, 42, 100)
    ids = tokenizer(format_box(box), add_special_tokens=False)['input_ids']
    assert [index for index in ids if index in numbers] == [numbers[value] for value in box]
    assert tokenizer.decode(ids) == format_box(box)


def test_an_answer_may_be_written(small):
    model, tokenizer, _ = small
    encoder = EpisodeEncoder(model.name_or_path, may_be_absent=True)
    for answer in (format_answer((0, 7, 42, 100)), ABSENT_ANSWER):
        ids = tokenizer(answer, add_special_tokens=False)['input_ids']
        assert set(encoder.forbidden_ids).isdisjoint(ids)


@torch.no_grad()
def test_numbers_are_alike_to_their_neighbours(small):
    model, _, numbers = small
    words = torch.nn.functional.normalize(model.get_input_embeddings().weight[numbers], dim=1)
    alike = words @ words.T - 2 * torch.eye(len(numbers))
    assert ((alike.argmax(1) - torch.arange(len(numbers))).abs() <= 2).float().mean() > 0.95


@torch.no_grad()
def test_the_place_of_a_visual_token_passes_the_projector_unchanged(small):
    model, _, _ = small
    vision = model.config.vision_config
    looks = vision.hidden_size - 4 * vision.frequencies
    places = place_grid(10, 10, vision.frequencies).flatten(1).T
    tokens = model.model.multi_modal_projector(torch.cat([torch.zeros(100, looks), places], 1))
    differences = [each[1:] - each[:-1] for each in (places, tokens)]
    ratios = differences[1].norm(dim=1) / differences[0].norm(dim=1)
    assert torch.allclose(ratios, ratios[:1].expand(99), rtol=0.02)


@torch.no_grad()
def test_what_looks_alike_to_the_eyes_looks_alike_to_the_decoder(small):
    model, _, _ = small
    vision = model.config.vision_config
    images = [cv2.resize(cv2.imread(str(path)), (320, 320)) for path in PICTURES]
    pixels = (torch.from_numpy(np.stack(images)).movedim(-1, 1).flip(1) / 255 - 0.45) / 0.23
    seen = model.model.vision_tower(pixels).last_hidden_state.flatten(2).transpose(1, 2)
    seen[..., -4 * vision.frequencies :] = 0
    tokens = model.model.multi_modal_projector(seen)
    # Channels count alike to the projector, however large.
    seen = seen[..., : -4 * vision.frequencies].flatten(0, 1)
    states = ((seen - seen.mean(0)) / seen.std(0), (tokens - tokens.mean((0, 1))).flatten(0, 1))
    alike = [each @ each.T for each in (torch.nn.functional.normalize(state, dim=1) for state in states)]
    pairs = torch.ones(len(seen), len(seen)).tril(-1) > 0
    assert torch.corrcoef(torch.stack([each[pairs] for each in alike]))[0, 1] > 0.8


@torch.no_grad()
def test_its_eyes_serve_another_model_and_without_any(small, tmp_path):
    folder = small[0].name_or_path
    build_small_vlm(tmp_path / 'again', folder, PICTURES)
    eyes = [VisionBackbone(str(each), 12) for each in (EYES, folder, tmp_path / 'again')]
    images = torch.randint(0, 256, (1, 3, 320, 320), dtype=torch.uint8)
    first, *others = (each(images) for each in eyes)
    assert first.shape == (1, 160, 10, 10)
    for other in others:
        torch.testing.assert_close(other, first)


@torch.no_grad()
def test_attention_begins_by_copying(small):
    model, _, _ = small
    layer = model.model.language_model.layers[2].self_attn
    states = torch.randn(40, model.config.text_config.hidden_size)
    copied = layer.o_proj(layer.v_proj(states))
    assert (torch.nn.functional.cosine_similarity(copied, states, dim=1) > 0.99).all()
