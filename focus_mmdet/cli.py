"""How the command-line tools begin and end."""

import argparse
import difflib
import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from focus_mmdet.errors import InputError
from focus_mmdet.shipped_configs import find_config

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run_cli(main: Callable[[], None]) -> None:
    """Run a tool; bad input or a full disk prints one message and exits with status 2.

    Ctrl-C exits with 130, as shells expect.
    """
    try:
        main()
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        message = _input_message(error)
        if message is None:
            raise
        # A file name may hold what no terminal can show.
        print(f'error: {message}'.encode(errors='backslashreplace').decode(), file=sys.stderr)
        sys.exit(2)


def _input_message(error: Exception) -> str | None:
    """What to tell the user, or None where the error is not theirs."""
    text = str(error.args[0]) if error.args else str(error)
    if isinstance(error, InputError):
        # A data worker wraps the message into its own traceback.
        return text.rsplit(f'{type(error).__name__}: ', 1)[-1].strip()
    if isinstance(error, OSError) and error.errno in _FULL:
        file = f'{error.filename}: ' if error.filename else ''
        return f'{file}{error.strerror}. Make room; what was written before is whole'
    if isinstance(error, TypeError) and 'unexpected keyword argument' in text:
        return f'{text.replace(".__init__()", "")}. Check the spelling of the key in the config'
    if isinstance(error, KeyError) and 'is not in the' in text and 'registry' in text:
        return f'{text.split(". ")[0]}. Check the spelling of the type in the config'
    return None


def read_config(path: str, options: dict[str, Any] | None = None) -> Config:
    """A config file under the command line's ``--cfg-options``.

    Args:
        path: A file, or one of the package as ``focus_mmdet::focus_stage1.py``.
            ``configs/focus_stage1.py`` is that one too where no such file is.
        options: Dotted keys and their values.

    Raises:
        InputError: No such file, one that cannot be read, or an option whose
            first key is a misspelt one of the config.
    """
    file = find_config(path)
    if not Path(file).is_file():
        raise InputError(f'{path}: no such config')
    try:
        config = Config.fromfile(file)
        known = set(config.keys())
        config.merge_from_dict(options or {})
    except Exception as error:
        raise InputError(f'{path}: cannot be read as a config ({type(error).__name__}: {error})') from error
    for key in options or {}:
        name = key.split('.')[0]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        if name not in known and near:
            raise InputError(f'--cfg-options {key}: the config has no {name!r}; did you mean {near[0]!r}?')
    if 'model' not in config:
        raise InputError(f'{path}: no model; inherit from one of configs/ by _base_')
    _encode_for_the_model(config)
    return config


def _encode_for_the_model(config: Config) -> None:
    """Data workers encode in the language of the model that the options may have changed."""
    spoken = {'may_be_absent': (config.model.get('data_preprocessor') or {}).get('may_be_absent', False)}
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        collate = (config.get(name) or {}).get('collate_fn')
        if isinstance(collate, dict) and collate.get('type') == 'encode_episodes':
            collate.update(spoken, pretrained=config.model.pretrained)


def check_folder(flag: str, path: str | Path | None) -> None:
    """Raise :class:`InputError` where ``path`` cannot become a folder."""
    for part in [] if path is None else [Path(path), *Path(path).parents]:
        if part.exists() and not part.is_dir():
            raise InputError(f'{flag} {path}: {part} is a file, not a folder')


class KeyValues(DictAction):
    """``key=value`` pairs; one without ``=`` is named."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        for value in values:
            if '=' not in value:
                raise argparse.ArgumentError(self, f'{value!r} is no key=value')
        super().__call__(parser, namespace, values, option_string)
