"""What all writers of results have in common."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

from focus_mmdet.datasets.conversion.output_file import check_replaceable
from focus_mmdet.results.located import Located


class ResultWriter(ABC):
    """Writes one kind of file, while things are being found::

        with CsvResults('found.csv') as results:
            for located in find.stream(queries, cup):
                results.write(located)

    However the block ends, by an error or by Ctrl-C too, what was written until then is on disk, and whole.
    Several writers take what was found in any order, of any number of references.

    Args:
        path: The file, or the folder, to write.

    Raises:
        InputError: At the beginning of the block, as :meth:`check`.
        OSError: It cannot be written, for example because the disk is full; what stands there is whole.
    """

    #: Pattern of how our own files of this kind begin.
    beginning = ''

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def check(self) -> None:
        """See that the file may be written.

        Raises:
            InputError: ``path`` exists and is not ours to replace.
        """
        check_replaceable(self.path, f'{self.beginning}|$', '--out-dir')

    def __enter__(self) -> Self:
        self.check()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self

    @abstractmethod
    def write(self, located: Located) -> None:
        """Add what was found in one query."""

    @abstractmethod
    def __exit__(self, *error: Any) -> None: ...


def printable(text: str) -> str:
    """``text`` as UTF-8 can write it: bytes of file names that are no UTF-8 are spelled with backslashes."""
    return text.encode('utf-8', 'backslashreplace').decode()
