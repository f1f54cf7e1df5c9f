"""How the command-line tools begin and end."""

import argparse
import errno
import gc
import os
import select
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from traceback import walk_tb
from typing import Any

from mmengine.config import Config, DictAction
from torch import distributed

from focus_mmdet.config_options import check_options
from focus_mmdet.config_types import check_types
from focus_mmdet.errors import InputError
from focus_mmdet.shipped_configs import find_config
from focus_mmdet.type_name import type_name

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def run_cli(main: Callable[[], None]) -> None:
    """Run a tool; bad input or a full disk prints one message and exits with status 2.

    Ctrl-C exits with 130, as shells expect, and a reader of stdout that has left, as ``head`` does, with 141.
    ``KeyboardInterrupt`` may say how far it was.
    """
    status = _status(main)
    if not status:
        return
    if distributed.is_initialized() and distributed.get_backend() == 'gloo':
        # Threads of gloo that outlive the interpreter end a process by SIGABRT instead.
        gc.collect()
        distributed.destroy_process_group()
    sys.exit(status)


def _status(main: Callable[[], None]) -> int:
    try:
        main()
        sys.stdout.flush()
    except KeyboardInterrupt as interruption:
        print(' '.join(['interrupted', *map(str, interruption.args)]), file=sys.stderr)
        return 130
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _is_reader_gone():
            # Python flushes once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        message = _input_message(error)
        if message is None:
            raise
        # A file name may hold what no terminal can show.
        print(f'error: {message}'.encode(errors='backslashreplace').decode(), file=sys.stderr)
        return 2
    return 0


def _is_reader_gone() -> bool:
    """Does nobody read what is written to stdout any more?"""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _input_message(error: Exception) -> str | None:
    """What to tell the user, or None where the error is not theirs."""
    text = str(error.args[0]) if error.args else str(error)
    if isinstance(error, InputError):
        # A data worker wraps the message into its own traceback.
        return text.rsplit(f'{type(error).__name__}: ', 1)[-1].strip()
    if isinstance(error, OSError) and error.errno in _FULL:
        file = f'{error.filename}: ' if error.filename else ''
        return f'{file}{error.strerror}. Make room; what was written before is whole'
    if isinstance(error, OSError) and error.errno in _FORBIDDEN:
        return f'{error.filename}: {error.strerror}'
    if isinstance(error, TypeError) and 'unexpected keyword argument' in text:
        last = text.strip().splitlines()[-1].removeprefix('TypeError: ')
        return (
            f'{_built(error)}{last.replace(".__init__()", "")}. Check the spelling of the key in the config'
        )
    if isinstance(error, TypeError) and 'required positional argument' in text:
        return f'{text}. Give them in the config'
    if isinstance(error, KeyError) and 'must contain the key "type"' in text:
        return f'{text.splitlines()[0]}. Check the spelling of the key in the config that holds it'
    if isinstance(error, KeyError) and 'is not in the' in text and 'registry' in text:
        return f'{text.split(". ")[0]}. Check the spelling of the type in the config'
    return None


def _built(error: Exception) -> str:
    """The type in the config that could not be built, where the message names another: its base class."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__) if frame.f_code.co_name == 'build_from_cfg']
    kind = frames[-1].f_locals.get('obj_type') if frames else None
    return f'{kind}: ' if isinstance(kind, str) and kind not in str(error) else ''


def read_config(path: str, options: dict[str, Any] | None = None) -> Config:
    """A config file under the command line's ``--cfg-options``.

    Args:
        path: A file, or one of the package as ``focus_mmdet::focus_stage1.py``.
            ``configs/focus_stage1.py`` is that one too where no such file is.
        options: Dotted keys and their values.

    Raises:
        InputError: No such file, one that cannot be read, or an option that
            no code reads or that does not go with the config, or a value of a wrong type.
    """
    file = find_config(path)
    if not Path(file).is_file():
        raise InputError(f'{path}: no such config')
    try:
        config = Config.fromfile(file)
    except Exception as error:
        raise InputError(f'{path}: cannot be read as a config ({type(error).__name__}: {error})') from error
    if not isinstance(config.get('model'), dict):
        raise InputError(f'{path}: no model; inherit from one of configs/ by _base_')
    check_options(config, options or {})
    try:
        config.merge_from_dict(options or {})
    except Exception as error:
        raise InputError(
            f'--cfg-options {" ".join(options or {})}: does not go with {path} '
            f'({type(error).__name__}: {error})'
        ) from error
    check_types(config)
    _encode_for_the_model(config)
    return config


def _encode_for_the_model(config: Config) -> None:
    """Data workers encode in the language of the model that the options may have changed."""
    spoken = {'may_be_absent': (config.model.get('data_preprocessor') or {}).get('may_be_absent', False)}
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        collate: Any = (config.get(name) or {}).get('collate_fn')
        if type_name(collate) == 'encode_episodes':
            collate.update(spoken, pretrained=config.model.get('pretrained'))


def check_folder(flag: str, path: str | Path | None) -> None:
    """See that ``path`` is a folder to write to, or can become one; leaves nothing there.

    Raises:
        InputError: It cannot: a file or a broken link is in the way, or it may not be written.
    """
    if path is None:
        return
    try:
        for part in [Path(path), *Path(path).parents]:
            if part.is_dir():
                # A file without a name: permission bits do not tell what a read-only disk allows.
                with TemporaryFile(dir=part):
                    return
            if part.exists() or part.is_symlink():
                kind = 'file' if part.exists() else 'link to nowhere'
                raise InputError(f'{flag} {path}: cannot be written: {part} is a {kind}, not a folder')
    except OSError as error:
        raise InputError(
            f'{flag} {path}: cannot be written ({error.strerror}). Choose another folder'
        ) from error


def name_values(pairs: Sequence[str], expected: str) -> dict[str, str]:
    """Values by name of ``NAME=VALUE`` arguments.

    Args:
        pairs: As they were given.
        expected: What to give, for messages.

    Raises:
        InputError: One is no pair, or two have one name.
    """
    values: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition('=')
        if not separator:
            raise InputError(f'{pair}: give {expected}')
        if name in values:
            raise InputError(f'{pair}: {name!r} is also {values[name]}; give each a name of its own')
        values[name] = value
    return values


class KeyValues(DictAction):
    """``key=value`` pairs; one without ``=`` is named."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        for value in values:
            if '=' not in value:
                raise argparse.ArgumentError(self, f'{value!r} is no key=value')
        super().__call__(parser, namespace, values, option_string)
