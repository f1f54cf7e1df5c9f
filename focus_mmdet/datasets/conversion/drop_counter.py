"""Count what a converter leaves out: nothing is dropped in silence."""

from collections import Counter
from pathlib import Path

from focus_mmdet.datasets.annotations.file_names import form_hint
from focus_mmdet.datasets.image_file import image_size
from focus_mmdet.errors import InputError


def is_file(path: Path) -> bool:
    """As ``Path.is_file``; False for a name that no file can have, as one of 300 letters."""
    try:
        return path.is_file()
    except OSError:
        return False


class DropCounter:
    """Reasons with their number of records and the first example."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def drop(self, reason: str, record: str) -> None:
        """Count something that was left out, and keep the first example."""
        self.dropped[reason] += 1
        self._examples.setdefault(reason, record)

    def image_size(self, path: Path, record: str = '') -> tuple[int, int] | None:
        """(width, height) of an image in pixels; None where it is dropped.

        Args:
            path: The file.
            record: Says who names it.
        """
        if not is_file(path):
            self.drop('missing image', f'{record} {path}'.strip() + form_hint(path))
            return None
        try:
            return image_size(str(path))
        except InputError:
            self.drop('unreadable image', f'{record} {path}'.strip())
            return None

    def drop_lines(self) -> list[str]:
        """One line per reason, the most frequent first."""
        return [
            f'  dropped {count} times: {reason}; the first: {self._examples[reason]}'
            for reason, count in self.dropped.most_common()
        ]
