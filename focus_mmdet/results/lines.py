"""CSV and JSON lines: a line for each answer, on disk as soon as it is there."""

import csv
import json
import os
from io import StringIO
from typing import Any, Self

from focus_mmdet.results.located import Located
from focus_mmdet.results.result_writer import ResultWriter, printable

COLUMNS = (
    'query', 'frame', 'reference', 'width', 'height', 'x1', 'y1', 'x2', 'y2', 'score', 'absent', 'answer',
    'instead',
)  # fmt: skip


class _Lines(ResultWriter):
    """A text file of records, each written whole or not at all."""

    header = ''

    def __enter__(self) -> Self:
        super().__enter__()
        self._file = open(self.path, 'wb', buffering=0)
        self._write(self.header)
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.close()

    def _write(self, text: str) -> None:
        content = printable(text).encode()
        before = self._file.tell()
        try:
            while content:
                content = content[self._file.write(content) :]
        except BaseException as error:
            self._file.truncate(before)
            self._file.seek(before)
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror, os.fspath(self.path)) from error
            raise


class JsonLines(_Lines):
    """One JSON object a line, with the keys of :meth:`Located.record`."""

    beginning = r'\{"query": '

    def write(self, located: Located) -> None:
        self._write(f'{json.dumps(located.record())}\n')


class CsvResults(_Lines):
    """One row for each answer, :data:`COLUMNS`; cells of what there is none of are empty.

    A text that a spreadsheet would take for a formula is led by ``./`` where it is a path, else by ``'``.
    """

    header = f'{",".join(COLUMNS)}\n'
    beginning = header

    def write(self, located: Located) -> None:
        record = located.record()
        row = [
            _no_formula(located.query, './'),
            located.frame,
            _no_formula(located.reference, "'"),
            *located.size,
            *(record['box'] or [None] * 4),
            record['score'],
            int(located.absent),
            _no_formula(located.answer, "'"),
            _no_formula(located.instead or '', "'"),
        ]
        line = StringIO()
        csv.writer(line, lineterminator='\n').writerow(row)
        self._write(line.getvalue())


def _no_formula(text: str, lead: str) -> str:
    return lead + text if text[:1] in ('=', '+', '-', '@', '\t', '\r') else text
