"""Read the lists of huge JSON files one item at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from focus_mmdet.errors import InputError


def stream_list(path: str | Path, key: str) -> Iterator[dict[str, Any]]:
    """The records of the top-level list ``key``; none where there is no such list.

    Raises:
        InputError: No such file, not JSON, an item that is not an object, or
            ijson is not installed.
    """
    try:
        import ijson
    except ImportError as error:
        raise InputError('large JSON files are read by ijson: pip install ijson') from error
    if not Path(path).is_file():
        raise InputError(f'{path}: no such file')
    with open(path, 'rb') as file:
        try:
            for index, item in enumerate(ijson.items(file, f'{key}.item', use_float=True)):
                if not isinstance(item, dict):
                    raise InputError(f'{path}: {key}[{index}] must be a JSON object')
                yield item
        except (ijson.JSONError, UnicodeDecodeError) as error:
            raise InputError(f'{path}: not valid JSON ({" ".join(str(error).split())})') from error
