"""Teach a small model to read boxes: what "[12, 40, 88, 97]" says of an image, whatever the image shows.

Pictures teach this badly: attention finds a large object without reading its box, and so never learns what
to do for a small one beside others. Where the looks of visual tokens are noise, there is only the box.

Attention is not enough: what was read must arrive. The end of a support's box holds what lies in the box,
more of it than of the numbers it was found by, and hands it on to the answer; visual tokens stay what they
are. Then the answer's tokens look for what is like them, and training in context begins with that.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss
from torch.nn.utils import clip_grad_norm_

from focus_mmdet.core.attention import margin_loss
from focus_mmdet.core.places import grid_places, places_in_box
from focus_mmdet.core.prompt import episode_messages, format_answer
from focus_mmdet.engine.optimizers import MuonWithAdamW
from focus_mmdet.models.vlm.families import FastVLM
from focus_mmdet.models.vlm.towers import place_grid

#: The layer where the ends of boxes read, the one where the answer reads these, and their heads.
READING, ANSWERING, HEADS = 1, 2, (0, 1)
_BATCH, _RATE, _WARM_UP, _MARGIN = 16, 6e-3, 50, 0.9
#: So many times the mean of what lies in a box is held by its end, and by the answer.
_HELD, _HANDED_ON = 5.0, 3.0
#: Sides of a box in 0..1 of the image's.
_SMALLEST, _LARGEST = 0.12, 0.7
#: Patches of noise along a side, each of one look.
_PATCHES = 4


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


def practise_reading(model: Any, tokenizer: Any, numbers: list[int], steps: int) -> list[float]:
    """Train the layers up to :data:`ANSWERING` to read boxes and to hand on what lies in them.

    Args:
        model: A FastVLM over a ``MobileNetV2Grid`` with eager attention; trained in place.
        tokenizer: Of the model, a coordinate of which is one token.
        numbers: Ids of the tokens 0, 1, .. up to the largest coordinate.
        steps: Of 16 episodes each, drawn from torch's generator; some 400 are enough.

    Returns:
        After each step, the mean attention mass on what lies in the boxes, before it.
    """
    text = model.model.language_model
    prompt = _Prompt(model, tokenizer, numbers)
    layers, text.layers, norm, text.norm = text.layers, text.layers[: ANSWERING + 1], text.norm, nn.Identity()
    optimizer = MuonWithAdamW(text.named_parameters(), lr=_RATE)
    masses = []
    for step, boxes in zip(range(steps), _boxes(len(numbers) - 1), strict=False):
        for group in optimizer.param_groups:
            group['lr'] = _RATE * min(1.0, (step + 1) / _WARM_UP, 2.05 - 2 * step / steps)
        ids = prompt.ids.repeat(_BATCH, 1)
        ids[:, prompt.given + prompt.answered] = torch.tensor(numbers)[boxes]
        loss, mass = _lesson(model, prompt, ids, boxes[:, :4] / (len(numbers) - 1))
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(list(text.parameters()), 1.0)
        optimizer.step()
        masses.append(mass)
    text.layers, text.norm = layers, norm
    return masses


def _boxes(largest: int) -> Iterator[Tensor]:
    """(16, 8), a box in the support and one in the query, as coordinates."""
    while True:
        sizes = torch.exp(torch.empty(_BATCH, 2, 2).uniform_(math.log(_SMALLEST), math.log(_LARGEST)))
        start = torch.rand(_BATCH, 2, 2) * (1 - sizes)
        yield (torch.cat([start, start + sizes], 2) * largest).round().long().flatten(1)


def _lesson(model: Any, prompt: _Prompt, ids: Tensor, boxes: Tensor) -> tuple[Tensor, float]:
    """The loss on 16 prompts whose supports have boxes in 0..1, and the attention mass on these."""
    text = model.model.language_model
    support, query = _noise(model), _noise(model)
    before = text.embed_tokens(ids)
    before = before.index_copy(1, prompt.support, support).index_copy(1, prompt.query, query)
    out = text(inputs_embeds=before, output_attentions=True, output_hidden_states=True, use_cache=False)
    side = math.isqrt(len(prompt.support))
    grid = grid_places(side, side)
    inside = torch.stack([places_in_box(grid, box) for box in boxes]).float()
    read = _attention(out.attentions[READING], prompt.ends, prompt.support)
    mass = (read * inside[:, None]).sum(-1).mean(1)
    handed = _attention(out.attentions[ANSWERING], prompt.answer, prompt.ends).sum(-1).mean(1)
    held = (support * inside[:, :, None]).sum(1, keepdim=True) / inside.sum(1)[:, None, None]
    loss = margin_loss(mass, 1, len(prompt.ids), _MARGIN, 'log')
    loss = loss + margin_loss(handed, 1, len(prompt.ids), _MARGIN, 'log') / 2
    for layer, rows, times in ((READING, prompt.ends, _HELD), (ANSWERING, prompt.answer, _HANDED_ON)):
        own = before[:, rows].detach()
        loss = loss + mse_loss(out.hidden_states[layer + 1][:, rows], own + times * held)
    visual = torch.cat([prompt.support, prompt.query])
    for after in out.hidden_states[1:]:
        loss = loss + mse_loss(after[:, visual], before[:, visual])
    return loss, float(mass.detach().mean())


def _attention(layer: Tensor, rows: Any, columns: Any) -> Tensor:
    """(16, rows, columns), the mean of the heads that read."""
    return layer[:, list(HEADS)][:, :, rows][..., columns].mean(1)


@torch.no_grad()
def _noise(model: Any) -> Tensor:
    """(16, cells, width) visual tokens that look like nothing, patches of them alike, in their places."""
    vision, side = model.config.vision_config, math.isqrt(model.config.image_seq_length)
    looks = vision.hidden_size - 4 * vision.frequencies
    patches = interpolate(torch.randn(_BATCH, looks, _PATCHES, _PATCHES), size=(side, side))
    noise = (patches + torch.randn(_BATCH, looks, side, side)) / math.sqrt(2)
    places = place_grid(side, side, vision.frequencies).expand(_BATCH, -1, -1, -1)
    return model.model.multi_modal_projector(torch.cat([noise, places], 1).flatten(2).transpose(1, 2))
