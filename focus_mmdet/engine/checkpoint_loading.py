"""Load MMEngine checkpoints on torch >= 2.6 without running code from them.

torch now loads with ``weights_only=True``, which rejects the logging buffers
that MMEngine 0.10 writes beside the weights. They are named as safe here;
anything else in a file is still rejected.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from focus_mmdet.errors import InputError

_STATISTICS = ('min', 'max', 'current', 'mean')


def _statistic(owner: Any, name: str) -> Any:
    """The only attribute look-up a checkpoint may ask for.

    MMEngine pickles a buffer's statistics as ``getattr(HistoryBuffer, name)``.
    """
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f'look-up of {name!r} on {owner!r} is not allowed')
    return getattr(HistoryBuffer, name)


_reconstruct = np.ndarray.__reduce__(np.zeros(1))[0]
_scalar = np.float64(0).__reduce__()[0]
_SAFE: list[Any] = [
    HistoryBuffer,
    (_statistic, 'builtins.getattr'),
    (_statistic, '__builtin__.getattr'),
    np.ndarray,
    np.dtype,
    _reconstruct,
    _scalar,
    *{type(np.dtype(kind)) for kind in ('f8', 'f4', 'i8', 'i4', 'u1', 'b1')},
]


def _reason(error: Exception) -> str:
    """The telling line of torch's page-long message."""
    lines = str(error).splitlines() or [type(error).__name__]
    telling = [line.strip() for line in lines if 'Unsupported' in line]
    return (telling or lines)[0].split('. Please use')[0]


def load_local_checkpoint(filename: str, map_location: Any = None) -> Any:
    """Read a checkpoint file; its name is kept for later error messages.

    Raises:
        InputError: No such file, or one that is not a safe checkpoint.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise InputError(f'{filename}: no such checkpoint')
    try:
        with torch.serialization.safe_globals(_SAFE):
            checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = _reason(error)
        raise InputError(
            f'{filename}: not a checkpoint that can be loaded safely ({reason}). '
            'Is it complete, and written by tools/train.py?'
        ) from error
    weights = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else None
    if weights is None:
        raise InputError(f'{filename}: holds no state_dict; give a checkpoint written by tools/train.py')
    if isinstance(weights, OrderedDict):
        metadata = getattr(weights, '_metadata', OrderedDict())
        metadata.setdefault('', {})['filename'] = str(filename)
        weights._metadata = metadata  # type: ignore[attr-defined]
    return checkpoint


def register_safe_loader() -> None:
    """Use :func:`load_local_checkpoint` for every local path."""
    CheckpointLoader.register_scheme(prefixes='', loader=load_local_checkpoint, force=True)
