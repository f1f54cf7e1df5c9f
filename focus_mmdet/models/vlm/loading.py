"""Weights that stay in their files until they are spread over the processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.model_folder import load_config, load_model

NOT_SPREAD = (
    'model_wrapper_cfg FullyShardedModel: quantized weights are not spread; leave out '
    'model.bbox_head.quantization, or model_wrapper_cfg'
)
_SPREAD_LATER = ContextVar('weights are spread later', default=False)


@contextmanager
def spread_later() -> Iterator[None]:
    """Models built here keep their weights in their files, for ``FullyShardedModel`` to :func:`fetch`."""
    token = _SPREAD_LATER.set(True)
    try:
        yield
    finally:
        _SPREAD_LATER.reset(token)


def load_weights(pretrained: str, **options: Any) -> tuple[Any, dict[nn.Parameter, Tensor]]:
    """The model of a folder, and the contents of those of its weights that are still to be fetched.

    Safetensors are mapped into memory, and a weight of the type in its file
    takes no other memory. Of another type it is a copy; where it is to be
    spread, it stands empty, and what it is to hold waits in its file.

    Args:
        pretrained: As of :func:`load_model`.
        options: Of ``from_pretrained``, ``dtype`` among them.

    Raises:
        InputError: As :func:`load_model`, or quantized weights are to be spread.
    """
    if not _SPREAD_LATER.get():
        return load_model(pretrained, **options), {}
    if 'quantization_config' in options:
        raise InputError(NOT_SPREAD)
    config = load_config(pretrained)
    config.dtype = None  # which would go before what is in the files
    stored = load_model(pretrained, **{**options, 'config': config, 'dtype': 'auto'})
    if stored.dtype == options['dtype']:
        return stored, {}
    # transformers knows the type of each weight and buffer, and computes what is in no file.
    kept = dict(stored.named_parameters(remove_duplicate=False))
    empty = torch.zeros((), dtype=options['dtype'])
    state = {
        name: empty.expand(value.shape) if name in kept else value
        for name, value in stored.state_dict().items()
    }
    model = type(stored).from_pretrained(None, config=stored.config, state_dict=state, **options)
    return model, {weight: kept[name].data for name, weight in model.named_parameters()}


@torch.no_grad()
def fetch(part: nn.Module, waiting: dict[nn.Parameter, Tensor], device: torch.device | str) -> None:
    """Fill the weights of ``part`` that stand empty, on ``device``, and strike them from ``waiting``."""
    for weight in part.parameters():
        if weight in waiting:
            # Two steps: a GPU converts without a copy in host memory.
            weight.data = waiting.pop(weight).to(device).to(weight.dtype)
