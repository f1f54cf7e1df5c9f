"""Load MMEngine checkpoints on torch >= 2.6 without running code from them.

torch now loads with ``weights_only=True``, which rejects the logging buffers
that MMEngine 0.10 writes beside the weights. They are named as safe here;
anything else in a file is still rejected.
"""

import logging
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log
from mmengine.runner.checkpoint import CheckpointLoader

from focus_mmdet.errors import InputError

#: Names of MMEngine's ``CheckpointHook``.
_SAVED = re.compile(r'(iter|epoch)_\d+')
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
    """The telling part of torch's page-long message."""
    asked = re.search(r'GLOBAL (\S+)', str(error))
    return f'it asks for {asked.group(1)}' if asked else type(error).__name__


def load_local_checkpoint(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Map a checkpoint file into the CPU's memory; its name is kept for later error messages.

    Args:
        filename: Path.
        map_location: MMEngine's wish, the GPU. Not heeded: what is spread over
            several GPUs may not fit one, and whoever takes weights moves them.

    Raises:
        InputError: No such file, or one that is not a safe checkpoint.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise InputError(f'{filename}: no such checkpoint')
    try:
        with torch.serialization.safe_globals(_SAFE):
            checkpoint = torch.load(path, map_location='cpu', weights_only=True, mmap=is_zipfile(path))
    except Exception as error:
        raise InputError(
            f'{filename}: not a checkpoint that can be loaded safely ({_reason(error)}). '
            'Is it complete, and written by tools/train.py?'
        ) from error
    if not isinstance(checkpoint, dict):
        raise InputError(f'{filename}: holds no weights; give a checkpoint written by tools/train.py')
    if isinstance(checkpoint.get('meta'), dict):
        # Runner.resume would run it as Python; MMEngine writes 'cfg' today.
        checkpoint['meta'].pop('config', None)
    if 'state_dict' in checkpoint:
        return {**checkpoint, 'state_dict': _named(checkpoint['state_dict'], filename)}
    tensors = all(isinstance(value, torch.Tensor) for value in checkpoint.values())
    return _named(checkpoint, filename) if tensors else checkpoint


def _named(weights: Any, filename: str) -> OrderedDict:
    """A state dict that remembers its file, where models look for metadata."""
    if not isinstance(weights, dict):
        raise InputError(f'{filename}: its state_dict is a {type(weights).__name__}, not a dict of weights')
    named = OrderedDict(weights)
    metadata = OrderedDict(getattr(weights, '_metadata', {}))
    metadata[''] = {**metadata.get('', {}), 'filename': str(filename)}
    named._metadata = metadata  # type: ignore[attr-defined]
    return named


def check_local(filename: str) -> None:
    """Raise :class:`InputError` for an address: MMEngine's loaders of those run code."""
    if '://' in filename:
        raise InputError(f'{filename}: download it first, and give its path')


def register_safe_loader() -> None:
    """Use :func:`load_local_checkpoint` for every local path."""
    CheckpointLoader.register_scheme(prefixes='', loader=load_local_checkpoint, force=True)


def find_readable_checkpoint(work_dir: str) -> str | None:
    """The newest ``iter_*.pth`` or ``epoch_*.pth`` of a run that can be read, or None.

    A file that cannot be read is named in a warning and passed over. Where there are both kinds, which no
    run writes, those count that were written last.
    """
    found = [path for path in Path(work_dir).glob('*.pth') if _SAVED.fullmatch(path.stem)]
    newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
    kind = '' if newest is None else newest.stem.partition('_')[0]
    numbers = {path: int(path.stem.partition('_')[2]) for path in found if path.stem.startswith(kind)}
    for path in sorted(numbers, key=numbers.__getitem__, reverse=True):
        try:
            load_local_checkpoint(str(path))
        except InputError as error:
            print_log(f'Not resumed from: {error}', 'current', logging.WARNING)
        else:
            return str(path)
    return None
