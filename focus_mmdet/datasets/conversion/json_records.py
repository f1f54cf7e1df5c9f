"""Records of JSON files that are larger than memory: read one by one, regrouped on disk."""

import codecs
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from focus_mmdet.datasets.conversion.drop_counter import DropCounter, is_file
from focus_mmdet.errors import InputError
from focus_mmdet.progress import Progress

try:
    import ijson
except ImportError:
    ijson = None

_MEBIBYTE = 2**20


def stream_records(path: Path, key: str, expected: str) -> Iterator[Any]:
    """The entries of the list ``key`` of a JSON object, told by MiB on stderr.

    Args:
        path: The file.
        key: A key of the top level.
        expected: Ends the message where there is no such entry.

    Raises:
        InputError: No such file, not JSON, no entry, or ijson is not installed.
    """
    if ijson is None:
        raise InputError('large JSON files are read by ijson: pip install ijson')
    if not is_file(path):
        raise InputError(f'{path} does not exist. {expected}')
    found = False
    with open(path, 'rb') as file:
        _skip_mark(path, file)
        told = Progress(path.stat().st_size // _MEBIBYTE + 1, f'MiB of {path.name}, {key}')
        try:
            for record in ijson.items(file, f'{key}.item', use_float=True):
                found = True
                yield record
                read = file.tell() // _MEBIBYTE - told.done
                if read:
                    told.update(read)
        except (ijson.JSONError, UnicodeDecodeError) as error:
            # Below the reason, ijson prints the text around it.
            reason = re.split(r'\\n|\n', str(error))[0].removeprefix("b'")
            where = f'before byte {file.tell()}'
            if 'integer overflow' in reason:
                raise InputError(
                    f'{path}: a whole number beyond 64 bits, {where}. Give shorter ids'
                ) from None
            raise InputError(f'{path}: not valid JSON ({reason}, {where})') from None
        told.close()
    if not found:
        raise InputError(f'{path}: no list {key!r} with entries. {expected}')


def _skip_mark(path: Path, file: BinaryIO) -> None:
    """Pass over the mark of UTF-8; say so where the file is of another kind."""
    start = file.read(3)
    if start != codecs.BOM_UTF8:
        file.seek(0)
    kinds = {b'': 'is empty', b'\x1f\x8b': 'is compressed; unpack it'}
    kinds |= dict.fromkeys((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), 'is UTF-16 text; save it as UTF-8')
    if start[:2] in kinds:
        raise InputError(f'{path}: {kinds[start[:2]]}')


def usable(writer: DropCounter, what: str, record: Any, **kinds: type) -> bool:
    """Whether a record has its fields; where not, it is counted as dropped.

    Args:
        writer: Counts.
        what: The list that it is of, as ``'images'``.
        record: What was read.
        **kinds: Type of each field that must be there.
    """
    for key, kind in kinds.items():
        value = record.get(key) if isinstance(record, dict) else None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            writer.drop(f'{what}: no sound {key}', str(record)[:200])
            return False
    return True


def read_names(writer: DropCounter, path: Path, key: str, expected: str) -> dict[int, str]:
    """Names by id of a list that is short enough for memory, as of videos or categories.

    Raises:
        InputError: As :func:`stream_records`, or an id has two names.
    """
    names: dict[int, str] = {}
    for record in stream_records(path, key, expected):
        if usable(writer, key, record, id=int, name=str):
            if record['id'] in names:
                writer.drop(f'{key}: id used twice', f'id {record["id"]}')
            name = names.setdefault(record['id'], record['name'])
            if name != record['name']:
                raise InputError(
                    f'{path}: {key}: id {record["id"]} is {name!r} and {record["name"]!r}. Give each its own'
                )
    return names


class DiskGroups:
    """Records on disk, taken back group by group in the order they came."""

    def __init__(self) -> None:
        # A database without a name is a temporary file that SQLite removes itself.
        self._database = sqlite3.connect('')
        self._database.execute('CREATE TABLE records (id INTEGER UNIQUE, place INTEGER, body TEXT)')
        self._database.execute('CREATE INDEX places ON records (place)')

    def add(self, identifier: int | None, group: int, record: dict[str, Any]) -> bool:
        """Store a record; False where its identifier, if it has one, was there before."""
        row = (identifier, group, json.dumps(record))
        return self._database.execute('INSERT OR IGNORE INTO records VALUES (?, ?, ?)', row).rowcount > 0

    def look(self, group: int) -> list[dict[str, Any]]:
        """The records of a group."""
        rows = self._database.execute('SELECT body FROM records WHERE place = ? ORDER BY rowid', (group,))
        return [json.loads(body) for (body,) in rows]

    def take(self, group: int) -> list[dict[str, Any]]:
        """The records of a group, which are then gone."""
        found = self.look(group)
        self._database.execute('DELETE FROM records WHERE place = ?', (group,))
        return found

    def drop_rest(self, writer: DropCounter, reason: str) -> None:
        """Count the records that nobody took."""
        for identifier, group in self._database.execute('SELECT id, place FROM records ORDER BY rowid'):
            writer.drop(reason, f'id {identifier} (of {group})')
