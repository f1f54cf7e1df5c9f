"""What the small model knows before it is trained: numbers, and where they are in the image."""

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from focus_mmdet.core.prompt import format_box
from focus_mmdet.models.sizing.small import CELLS, build_small_vlm
from tests.conftest import ROOT


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    folder = build_small_vlm(tmp_path_factory.mktemp('small') / 'model', ROOT / 'checkpoints/mobilenet-v2')
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


@torch.no_grad()
def test_numbers_are_alike_to_their_neighbours_and_to_their_places(small):
    model, _, numbers = small
    words = model.get_input_embeddings().weight[numbers]
    order = torch.nn.functional.normalize(words, dim=1)
    order = order @ order.T - 2 * torch.eye(len(numbers))
    nearest = order.argmax(1)
    assert ((nearest - torch.arange(len(numbers))).abs() <= 2).float().mean() > 0.95
    columns = 10
    features = model.model.vision_tower(torch.zeros(1, 3, 320, 320)).last_hidden_state
    looks = features.shape[1] - 4 * model.config.vision_config.frequencies
    features[:, :looks] = 0
    tokens = model.model.multi_modal_projector(features.flatten(2).transpose(1, 2))[0]
    for across in range(columns):
        column = (tokens - tokens.mean(0)).view(columns, columns, -1)[:, across].mean(0)
        number = int((words @ column).argmax())
        assert abs(number - (across + 0.5) * CELLS / columns) <= CELLS / columns / 2


@torch.no_grad()
def test_attention_begins_with_what_is_alike(small):
    model, _, _ = small
    layer = model.model.language_model.layers[2].self_attn
    states = torch.randn(40, model.config.text_config.hidden_size)
    queries, keys = (each(states).unflatten(1, (-1, layer.head_dim)) for each in (layer.q_proj, layer.k_proj))
    scores = torch.einsum('qhd,khd->hqk', queries, keys)
    assert (scores.argmax(2) == torch.arange(40)).all()
    copied = layer.o_proj(layer.v_proj(states))
    similar = torch.nn.functional.cosine_similarity(copied, states, dim=1)
    assert (similar > 0.99).all()
