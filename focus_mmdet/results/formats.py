"""The kinds of files by their names."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

from focus_mmdet.errors import check_choice
from focus_mmdet.results.coco import CocoResults
from focus_mmdet.results.html_page import HtmlPage
from focus_mmdet.results.labelme import LabelMeResults
from focus_mmdet.results.lines import CsvResults, JsonLines
from focus_mmdet.results.located import Located
from focus_mmdet.results.query_images import QueryImages
from focus_mmdet.results.result_writer import ResultWriter
from focus_mmdet.results.yolo import YoloResults

#: What each format writes in the folder for results.
FORMATS = {
    'coco': 'found.json',
    'yolo': 'found_yolo',
    'labelme': 'found_labelme',
    'csv': 'found.csv',
    'html': 'found.html',
    'jsonl': 'found.jsonl',
}


class ResultFiles(ResultWriter):
    """Several kinds of files of one search, in one folder.

    They are begun with the first answer: a search that finds no query to read leaves an earlier one's alone.

    Args:
        path: The folder; it is made.
        formats: Some of :data:`FORMATS`.
        total: How many pictures are to be searched, where that is known; a page says how many were.

    Raises:
        InputError: Another format, or a file in the way that is not ours to replace.
    """

    def __init__(self, path: str | Path, formats: list[str], total: int | None = None) -> None:
        super().__init__(path)
        for name in formats:
            check_choice('format', name, FORMATS)
        images = QueryImages(self.path / 'frames')
        self._writers = [
            _writer(name, self.path / FORMATS[name], images, total) for name in dict.fromkeys(formats)
        ]
        self._open: ExitStack | None = None

    @property
    def files(self) -> list[Path]:
        """What is written, in the order of ``formats``; nothing before the first answer."""
        return [] if self._open is None else [writer.path for writer in self._writers]

    def check(self) -> None:
        for writer in self._writers:
            writer.check()

    def __enter__(self) -> Self:
        self.check()
        return self

    def write(self, located: Located) -> None:
        if self._open is None:
            with ExitStack() as stack:
                for writer in self._writers:
                    stack.enter_context(writer)
                # Each is left, also where leaving another fails.
                self._open = stack.pop_all()
        for writer in self._writers:
            writer.write(located)

    def __exit__(self, *error: Any) -> None:
        if self._open is not None:
            self._open.__exit__(*error)


def _writer(name: str, path: Path, images: QueryImages, total: int | None) -> ResultWriter:
    lines: dict[str, Callable[[Path], ResultWriter]] = {'csv': CsvResults, 'jsonl': JsonLines}
    others: dict[str, Callable[[Path, QueryImages], ResultWriter]] = {
        'coco': CocoResults, 'yolo': YoloResults, 'labelme': LabelMeResults,
        'html': partial(HtmlPage, total=total),
    }  # fmt: skip
    return lines[name](path) if name in lines else others[name](path, images)
