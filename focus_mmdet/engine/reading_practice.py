"""Teach a small model to read boxes: what "[12, 40, 88, 97]" says of an image, whatever the image shows.

Pictures teach this badly: attention finds a large object without reading its box, and so never learns what
to do for a small one beside others. Where the looks of visual tokens are noise, there is only the box.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from focus_mmdet.core.attention import margin_loss
from focus_mmdet.core.places import grid_places, places_in_box
from focus_mmdet.core.prompt import SUPPORT, format_box
from focus_mmdet.engine.optimizers import MuonWithAdamW
from focus_mmdet.models.vlm.towers import place_grid

#: Where boxes are read: the layer and its heads that stage 1 supervises, too.
LAYER, HEADS = 1, (0, 1)
_BATCH, _RATE, _WARM_UP, _MARGIN = 32, 6e-3, 50, 0.9
#: Sides of a box in 0..1 of the image's.
_SMALLEST, _LARGEST = 0.12, 0.7


def practise_reading(model: Any, tokenizer: Any, numbers: list[int], steps: int) -> list[float]:
    """Train the layers up to :data:`LAYER` so that the end of a box attends to what lies in it.

    Args:
        model: A FastVLM over a ``MobileNetV2Grid`` with eager attention; trained in place.
        tokenizer: Of the model, a coordinate of which is one token.
        numbers: Ids of the tokens 0, 1, .. up to the largest coordinate.
        steps: Of 32 boxes each, drawn from torch's generator; some 500 are enough.

    Returns:
        After each step, the mean attention mass on what lies in the boxes, before it.
    """
    text = model.model.language_model
    side = math.isqrt(model.config.image_seq_length)
    ids, coordinates = _sentence(tokenizer, numbers, side * side)
    ends = [coordinates[-1], coordinates[-1] + 1]
    layers, text.layers = text.layers, text.layers[: LAYER + 1]
    trained = [*model.model.multi_modal_projector.named_parameters(), *text.named_parameters()]
    optimizer = MuonWithAdamW(trained, lr=_RATE)
    masses = []
    for step, (boxes, places) in zip(range(steps), _lessons(side, len(numbers) - 1), strict=False):
        for group in optimizer.param_groups:
            group['lr'] = _RATE * min(1.0, (step + 1) / _WARM_UP, 2.05 - 2 * step / steps)
        prompts = ids.repeat(_BATCH, 1)
        prompts[:, coordinates] = torch.tensor(numbers)[boxes]
        states = text.embed_tokens(prompts)
        states = torch.cat([_noise(model, side), states[:, side * side :]], 1)
        attention = text(inputs_embeds=states, output_attentions=True, use_cache=False).attentions[LAYER]
        seen = attention[:, list(HEADS)][:, :, ends, : side * side].mean(1)
        mass = (seen * places[:, None]).sum(-1).mean(1)
        optimizer.zero_grad()
        margin_loss(mass, 1, len(ids), _MARGIN, 'log').backward()
        clip_grad_norm_([parameter for _, parameter in trained], 1.0)
        optimizer.step()
        masses.append(float(mass.detach().mean()))
    text.layers = layers
    return masses


def _sentence(tokenizer: Any, numbers: list[int], image: int) -> tuple[Tensor, list[int]]:
    """Ids of an image and its box's sentence, and where the coordinates stand."""
    written = SUPPORT.format(index=9, box=format_box((1, 2, 3, 4)))
    sentence = tokenizer(written, add_special_tokens=False)['input_ids']
    ids = torch.tensor([tokenizer.pad_token_id] * image + sentence)
    return ids, [image + sentence.index(numbers[value]) for value in (1, 2, 3, 4)]


def _lessons(side: int, largest: int) -> Iterator[tuple[Tensor, Tensor]]:
    """(32, 4) boxes as coordinates, and (32, side * side) bool, which visual tokens lie in them."""
    places = grid_places(side, side)
    while True:
        sizes = torch.exp(torch.empty(_BATCH, 2).uniform_(math.log(_SMALLEST), math.log(_LARGEST)))
        start = torch.rand(_BATCH, 2) * (1 - sizes)
        boxes = (torch.cat([start, start + sizes], 1) * largest).round().long()
        yield boxes, torch.stack([places_in_box(places, box / largest) for box in boxes])


def _noise(model: Any, side: int) -> Tensor:
    """(32, side * side, width) visual tokens that look like nothing, each in its place."""
    vision = model.config.vision_config
    looks = torch.randn(_BATCH, side * side, vision.hidden_size - 4 * vision.frequencies)
    places = place_grid(side, side, vision.frequencies).flatten(1).T
    return model.model.multi_modal_projector(torch.cat([looks, places.expand(_BATCH, -1, -1)], 2))
