"""Files that appear whole or not at all, and never in place of somebody else's."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from focus_mmdet.errors import InputError

#: Enough for the first lines of what we write.
_BEGINNING = 2**22


def check_replaceable(path: Path, beginning: str, option: str = '--out') -> None:
    """Refuse to replace what another program wrote: it may be what we read.

    Args:
        path: A file to write, which may exist.
        beginning: Pattern of how our own files of this kind begin.
        option: What chooses another place, for messages.

    Raises:
        InputError: A folder, a file that begins otherwise, or one that cannot be read.
    """
    try:
        if path.is_dir():
            raise InputError(f'{path}: cannot be written: a folder; give the name of a file')
        if not path.exists():
            return
        with open(path, encoding='utf-8', errors='replace') as file:
            ours = re.match(beginning, file.read(_BEGINNING))
    except OSError as error:
        raise InputError(f'{path}: cannot be written ({error}). Choose another {option}') from error
    if not ours:
        raise InputError(
            f'{path}: exists, and this tool did not write it. Give another {option}, or rename it'
        )


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """A text file that takes the place of ``path`` when the block ends well.

    Raises:
        OSError: It cannot be written.
    """
    with _aside(path) as aside, open(aside, 'w', encoding='utf-8') as file:
        yield file


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears at once, or not at all; its folder is made.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _aside(path) as aside:
        aside.write_bytes(content)


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """The name of a file that becomes ``path`` when the block ends well."""
    aside = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        yield aside
        os.replace(aside, path)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        # Python names no file where writing to an open one fails.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    finally:
        aside.unlink(missing_ok=True)
