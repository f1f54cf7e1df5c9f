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

_reconstruct = np.ndarray.__reduce__(np.zeros(1))[0]
_scalar = np.float64(0).__reduce__()[0]
_SAFE: list[Any] = [
    HistoryBuffer,
    np.ndarray,
    np.dtype,
    _reconstruct,
    _scalar,
    *{type(np.dtype(kind)) for kind in ('f8', 'f4', 'i8', 'i4', 'u1', 'b1')},
]


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
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
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
