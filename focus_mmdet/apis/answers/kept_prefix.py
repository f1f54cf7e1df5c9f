"""What a model has read of a reference, in a file beside it."""

import hashlib
import json
import logging
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
import transformers
from mmengine.config import Config
from mmengine.logging import print_log
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.core.feature_matching import Look
from focus_mmdet.engine.checkpoints.atomic_backend import AtomicLocalBackend
from focus_mmdet.models.vlm.known_prefix import KnownPrefix

#: Ends the name of a reference's file.
ENDING = '.known'
_KEY = 'focus_known'
#: The parts of a look.
_LOOK = [part.name for part in fields(Look)]


class KeptPrefix:
    """Keys and values of one reference, as one model makes them.

    What another model, other weights, other supports or another version of a library made is not read, and
    is written over.

    Args:
        path: The reference's file; keys and values are beside it, in ``PATH.known``.
        stamp: Of :func:`stamp`.
    """

    def __init__(self, path: str | Path, stamp: str) -> None:
        self.path = Path(f'{path}{ENDING}')
        self.stamp = stamp

    def read(self, device: torch.device) -> KnownPrefix | None:
        """None: there is no such file, it does not fit, or it is damaged."""
        try:
            with safe_open(str(self.path), 'pt') as file:
                if (file.metadata() or {}).get(_KEY) != self.stamp:
                    return None
                kept = {name: file.get_tensor(name).to(device) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError):
            return None
        count = sum(name.endswith('.key') for name in kept)
        layers = [(kept[f'{layer}.key'], kept[f'{layer}.value']) for layer in range(count)]
        seen = [kept[f'look.{part}'] for part in _LOOK if f'look.{part}' in kept]
        look = Look(*seen) if seen else None
        return KnownPrefix(layers, kept['following'], look)

    def write(self, prefix: KnownPrefix) -> None:
        """Whole or not at all; where it cannot be written, a warning says so."""
        kept: dict[str, Tensor] = {'following': prefix.following}
        if prefix.look is not None:
            kept |= {f'look.{part}': getattr(prefix.look, part) for part in _LOOK}
        for layer, (key, value) in enumerate(prefix.layers):
            kept |= {f'{layer}.key': key, f'{layer}.value': value}
        content = save({name: tensor.contiguous() for name, tensor in kept.items()}, {_KEY: self.stamp})
        try:
            AtomicLocalBackend().put(content, self.path)
        except OSError as error:
            message = f'{self.path}: not kept ({error.strerror}); the supports are read again next time'
            print_log(message, 'current', logging.WARNING)


def stamp(model: Any, config: Config, checkpoint: str | None, fingerprint: str, reference: Reference) -> str:
    """What tells keys and values apart that must not be taken for each other.

    Besides the fingerprint (:func:`focus_mmdet.apis.inputs.reference.fingerprint`) that is when the weights
    were written: models of one size and config may differ in these alone.
    """
    folder = config.model.get('pretrained')
    files = sorted(Path(folder).iterdir()) if folder is not None and Path(folder).is_dir() else []
    files += [] if checkpoint is None else [Path(checkpoint)]
    said = {
        'fingerprint': fingerprint,
        'written': [(file.name, file.stat().st_mtime_ns) for file in files],
        'dtype': str(next(model.parameters()).dtype),
        'versions': [torch.__version__, transformers.__version__],
        'boxes': reference.boxes,
        'images': [(image.shape, hashlib.sha256(image.tobytes()).hexdigest()) for image in reference.images],
    }
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
