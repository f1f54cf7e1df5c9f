"""What a model has read of a reference, in a file beside it."""

import errno
import hashlib
import json
import logging
import zlib
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
_KEY, _SUM = 'focus_known', 'checksum'
#: How a file of these begins, behind eight bytes.
_BEGINNING = b'{"__metadata__":{'
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
                said = file.metadata() or {}
                if said.get(_KEY) != self.stamp:
                    return None
                kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError):
            return None
        if said.get(_SUM) != _checksum(kept):
            return None
        kept = {name: tensor.to(device) for name, tensor in kept.items()}
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
        kept = {name: tensor.cpu().contiguous() for name, tensor in kept.items()}
        try:
            self._check_replaceable()
            content = save(kept, {_KEY: self.stamp, _SUM: _checksum(kept)})
            AtomicLocalBackend().put(content, self.path)
        except OSError as error:
            message = f'{self.path}: not kept ({error.strerror}); the supports are read again next time'
            print_log(message, 'current', logging.WARNING)

    def _check_replaceable(self) -> None:
        """Raise :class:`FileExistsError` for another program's file."""
        if self.path.exists() and not _is_one(self.path):
            raise FileExistsError(errno.EEXIST, 'another file is there', str(self.path))


def _is_one(path: Path) -> bool:
    """Does the file begin as these do, also where it is cut? Nothing is lost with an empty one."""
    with open(path, 'rb') as file:
        beginning = file.read(1024)[8:]
    return not beginning or (beginning.startswith(_BEGINNING) and _KEY.encode() in beginning)


def _checksum(kept: dict[str, Tensor]) -> str:
    """Of all numbers: a wrong one is a number still."""
    total = 0
    for name in sorted(kept):
        total = zlib.crc32(kept[name].reshape(-1).view(torch.uint8).numpy().data, total)
    return str(total)


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
        'look': _LOOK,
        'dtype': str(next(model.parameters()).dtype),
        'versions': [torch.__version__, transformers.__version__],
        'boxes': reference.boxes,
        'images': [(image.shape, hashlib.sha256(image.tobytes()).hexdigest()) for image in reference.images],
    }
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
