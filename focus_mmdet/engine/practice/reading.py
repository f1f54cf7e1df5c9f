"""Teach a small model to read boxes: what "[12, 40, 88, 97]" says of an image, whatever the image shows.

Objects teach this badly: attention finds a large one without reading its box, and so never learns what to
do for a small one beside others. Where the box may lie anywhere in a picture, there is only the box. What it
holds is pasted into another picture, and the answer has to find it there.

Attention is not enough: what was read must arrive. The end of a support's box holds how what lies in the box
looks, more of that than of the numbers it was found by, and hands it on to the answer; visual tokens stay
what they are. Then the answer's tokens look for what is like them, and training in context begins with that.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.nn.utils import clip_grad_norm_

from focus_mmdet.core.attention import margin_loss
from focus_mmdet.core.places import grid_places, places_in_box
from focus_mmdet.core.prompt import episode_messages, format_answer
from focus_mmdet.engine.optimizers import MuonWithAdamW
from focus_mmdet.engine.practice.pasted_features import paste
from focus_mmdet.models.vlm.families import FastVLM
from focus_mmdet.models.vlm.towers import place_grid

#: The layer where the ends of boxes read, the one where the answer reads these, the one where it finds what
#: it was handed, and their heads.
READING, ANSWERING, FINDING, HEADS = 1, 2, 3, (0, 1)
_BATCH, _RATE, _WARM_UP, _MARGIN = 16, 6e-3, 50, 0.9
#: Weights of the attention of each.
_WEIGHTS = {READING: 2.0, ANSWERING: 0.5, FINDING: 1.0}
#: So many times the mean of what lies in a box is held by its end, and by the answer.
_HELD, _HANDED_ON = 5.0, 3.0
#: Sides of a box in 0..1 of the image's.
_SMALLEST, _LARGEST = 0.12, 0.7


class _Prompt:
    """An episode of one support and its answer, and where things stand in it."""

    def __init__(self, model: Any, tokenizer: Any, numbers: list[int]) -> None:
        cells = model.config.image_seq_length
        given, answered = range(11, 15), range(15, 19)
        text = tokenizer.apply_chat_template(
            episode_messages([given], True),
            chat_template=FastVLM.chat_template,
            tokenize=False,
            add_generation_prompt=True,
        )
        text = text.replace(FastVLM.image_token, FastVLM.image_token * cells)
        prompt = tokenizer(text, add_special_tokens=False)['input_ids']
        ids = prompt + tokenizer(format_answer(answered), add_special_tokens=False)['input_ids']
        self.ids = torch.tensor(ids)
        self.support, self.query = (self.ids == model.config.image_token_index).nonzero()[:, 0].split(cells)
        self.given, self.answered = (
            [ids.index(numbers[value]) for value in box] for box in (given, answered)
        )
        self.ends = [self.given[-1], self.given[-1] + 1]
        self.answer = list(range(len(prompt), len(ids)))


def practise_reading(
    model: Any, tokenizer: Any, numbers: list[int], seen: Tensor, steps: int
) -> dict[str, list[float]]:
    """Train the layers up to :data:`FINDING` to read boxes, to hand on what lies in them and to find that.

    Args:
        model: A FastVLM over a ``MobileNetV2Grid`` with eager attention; trained in place.
        tokenizer: Of the model, a coordinate of which is one token.
        numbers: Ids of the tokens 0, 1, .. up to the largest coordinate.
        seen: (N, C, rows, columns), what the tower sees in some pictures, without places.
        steps: Of 16 episodes each, drawn from torch's generator; some 500 are enough.

    Returns:
        ``read`` and ``found``: for each step, before it, the mean attention mass of the ends of boxes on what
        lies in them, and of the answer on what is like that in the query.
    """
    text = model.model.language_model
    prompt = _Prompt(model, tokenizer, numbers)
    layers, text.layers, norm, text.norm = text.layers, text.layers[: FINDING + 1], text.norm, nn.Identity()
    optimizer = MuonWithAdamW(text.named_parameters(), lr=_RATE)
    masses: dict[str, list[float]] = dict(read=[], found=[])
    for step, coordinates in zip(range(steps), _coordinates(len(numbers) - 1), strict=False):
        for group in optimizer.param_groups:
            group['lr'] = _RATE * min(1.0, (step + 1) / _WARM_UP, 2.05 - 2 * step / steps)
        ids = prompt.ids.repeat(_BATCH, 1)
        # The answer names another box than it is to find, which it would else take from there.
        ids[:, prompt.given + prompt.answered] = torch.tensor(numbers)[coordinates[:, [0, 2]].flatten(1)]
        boxes = coordinates[:, :2] / (len(numbers) - 1)
        loss, mass = _lesson(model, prompt, ids, boxes, paste(seen, boxes))
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(list(text.parameters()), 1.0)
        optimizer.step()
        for name, each in masses.items():
            each.append(mass[name])
    text.layers, text.norm = layers, norm
    return masses


def _coordinates(largest: int) -> Iterator[Tensor]:
    """(16, 3, 4): boxes in the support, in the query, and in an answer."""
    while True:
        sizes = torch.exp(torch.empty(_BATCH, 3, 2).uniform_(math.log(_SMALLEST), math.log(_LARGEST)))
        start = torch.rand(_BATCH, 3, 2) * (1 - sizes)
        yield (torch.cat([start, start + sizes], 2) * largest).round().long()


def _lesson(
    model: Any, prompt: _Prompt, ids: Tensor, boxes: Tensor, pictures: tuple[Tensor, Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """The loss on 16 prompts with what is seen in their two pictures, and the attention masses."""
    text = model.model.language_model
    support, query = (_tokens(model, picture) for picture in pictures)
    before = text.embed_tokens(ids)
    before = before.index_copy(1, prompt.support, support).index_copy(1, prompt.query, query)
    out = text(inputs_embeds=before, output_attentions=True, output_hidden_states=True, use_cache=False)
    grid = grid_places(pictures[0].shape[2], pictures[0].shape[3])
    inside = torch.stack([places_in_box(grid, box) for box in boxes.flatten(0, 1)]).view(_BATCH, 2, -1)
    read = _attention(out.attentions[READING], prompt.ends, prompt.support)
    handed = _attention(out.attentions[ANSWERING], prompt.answer, prompt.ends)
    found = _attention(out.attentions[FINDING], prompt.answer, prompt.query)
    masses = {
        READING: (read * inside[:, :1]).sum(-1),
        ANSWERING: handed.sum(-1),
        FINDING: (found * inside[:, 1:]).sum(-1),
    }
    losses = [
        weight * margin_loss(masses[layer].mean(1), 1, len(prompt.ids), _MARGIN, 'log')
        for layer, weight in _WEIGHTS.items()
    ]
    looks, within = _tokens(model, pictures[0], placed=False), inside[:, 0, :, None]
    held = (looks * within).sum(1, keepdim=True) / within.sum(1, keepdim=True)
    for layer, rows, times in ((READING, prompt.ends, _HELD), (ANSWERING, prompt.answer, _HANDED_ON)):
        own = before[:, rows].detach()
        losses.append(mse_loss(out.hidden_states[layer + 1][:, rows], own + times * held))
    visual = torch.cat([prompt.support, prompt.query])
    losses += [mse_loss(after[:, visual], before[:, visual]) for after in out.hidden_states[1:]]
    told = dict(read=masses[READING], found=masses[FINDING])
    return torch.stack(losses).sum(), {name: float(mass.detach().mean()) for name, mass in told.items()}


def _attention(layer: Tensor, rows: Any, columns: Any) -> Tensor:
    """(16, rows, columns), the mean of the heads that read."""
    return layer[:, list(HEADS)][:, :, rows][..., columns].mean(1)


@torch.no_grad()
def _tokens(model: Any, seen: Tensor, placed: bool = True) -> Tensor:
    """(16, cells, width) visual tokens of what is seen, with their places or without."""
    codes = place_grid(seen.shape[2], seen.shape[3], model.config.vision_config.frequencies)
    features = torch.cat([seen, placed * codes.expand(len(seen), -1, -1, -1)], 1)
    return model.model.multi_modal_projector(features.flatten(2).transpose(1, 2))
