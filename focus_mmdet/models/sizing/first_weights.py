"""Weights that the small model starts from: what they already know need not be learned.

Random ones learn slowly what is the same for every model that reads and writes boxes: that 43 lies between
42 and 44, that a place in the image keeps its meaning, that what looks alike to the eyes looks alike to the
decoder, and that attention copies what it sees (as Trockman and Kolter find of trained models in *Mimetic
Initialization of Self-Attention Layers*, ICML 2023).
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from focus_mmdet.models.vlm.towers import place_code

#: Root mean squares: of a word's embedding; of a visual token's looks and of its place.
_WORD, _LOOKS, _PLACE = 0.5, 0.75, 0.5
#: Share of a number's embedding that is like no other's.
_OWN = 0.3
#: Of the output norm, whose factor on words of this size must be small.
_OUTPUT = 0.1
#: Deviation of queries' and keys' weights; and the factor of what attention copies.
_SHARP, _COPIED = 0.06, 0.5
#: What is so far above 0 a GELU passes as it is.
_LINEAR = 6.0
#: Least deviation of a channel, and least variance of a component, of the largest, that count.
_LEAST = 1e-3


@torch.no_grad()
def set_first_weights(model: Any, numbers: Sequence[int], looks: Tensor) -> None:
    """Give a FastVLM over a ``MobileNetV2Grid`` its first weights, in place.

    What is random in them comes from torch's generator.

    Args:
        model: Its words are tied to its output.
        numbers: Ids of the tokens 0, 1, .. up to the largest coordinate.
        looks: (N, C), what the tower sees in the cells of some pictures, without their places.
    """
    vision = model.config.vision_config
    _tell_looks_and_places(model.model.multi_modal_projector, looks, 4 * vision.frequencies)
    words = model.get_input_embeddings().weight
    nn.init.normal_(words, std=_WORD)
    codes = _number_codes(len(numbers), words.shape[1], vision.frequencies)
    words[list(numbers)] = _OWN * words[list(numbers)] + codes
    model.model.language_model.norm.weight.fill_(_OUTPUT)
    for layer in model.model.language_model.layers:
        _copy_what_is_seen(layer.self_attn)


def _tell_looks_and_places(projector: Any, looks: Tensor, codes: int) -> None:
    """A visual token tells how it looks, by principal components, and in other directions where it is.

    Both pass unchanged, and so what looks alike to the tower looks alike to the decoder. Components count
    by the fourth root of their variance: large ones are much the same all over a picture.
    """
    first, second = projector.linear_1, projector.linear_2
    seen, hidden, width = looks.shape[1], first.out_features - codes, len(second.weight)
    count = min(hidden, seen)
    mean, deviation = looks.mean(0), looks.std(0).clamp(min=_LEAST)
    variances, components = torch.linalg.eigh(((looks - mean) / deviation).T.cov())
    variances = variances.flip(0)[:count].clamp(min=_LEAST * variances[-1])
    scales = variances**-0.25 / variances.sqrt().mean().sqrt()
    nn.init.zeros_(first.weight)
    first.weight[:count, :seen] = (components.flip(1)[:, :count] * scales).T / deviation
    first.weight[hidden:, seen:] = torch.eye(codes)
    first.bias[:] = _LINEAR - first.weight[:, :seen] @ mean
    directions = _directions(width, count + codes)
    nn.init.zeros_(second.weight)
    second.weight[:, :count] = _LOOKS * math.sqrt(width / count) * directions[:, :count]
    # Half of a code's squares are those of sines, the others those of cosines.
    second.weight[:, hidden:] = _PLACE * math.sqrt(2 * width / codes) * directions[:, count:]
    second.bias[:] = -_LINEAR * second.weight.sum(1)


def _number_codes(count: int, width: int, frequencies: int) -> Tensor:
    """(count, width): numbers are alike to those near them."""
    code = place_code(torch.arange(count) / (count - 1), frequencies)
    return _WORD * math.sqrt(width / frequencies) * (_directions(width, len(code)) @ code).T


def _directions(width: int, count: int) -> Tensor:
    """(width, count), orthonormal."""
    return nn.init.orthogonal_(torch.empty(width, count))


def _copy_what_is_seen(attention: Any) -> None:
    """Queries look for what is like them, and values come out as what they were made of."""
    nn.init.normal_(attention.k_proj.weight, std=_SHARP)
    attention.q_proj.weight.copy_(attention.k_proj.weight)
    width, heads = attention.o_proj.weight.shape
    seen = _directions(width, width).repeat(math.ceil(heads / width), 1)[:heads] * math.sqrt(_COPIED)
    attention.v_proj.weight.copy_(seen)
    attention.o_proj.weight.copy_(seen.T)
