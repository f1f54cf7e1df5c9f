"""A search's answers as a file to take away."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import mmcv
import numpy as np

from focus_mmdet.datasets.image_file import read_image
from focus_mmdet.errors import InputError
from focus_mmdet.page.search import Search
from focus_mmdet.results.coco import CocoResults
from focus_mmdet.results.html_page import HtmlPage
from focus_mmdet.results.lines import CsvResults
from focus_mmdet.results.located import Located
from focus_mmdet.results.query_images import Place, QueryImages
from focus_mmdet.results.result_writer import ResultWriter


class _NamedImages(QueryImages):
    """The queries by what the page calls them: where this server keeps them is of no use elsewhere."""

    def __init__(self, folder: Path, paths: Mapping[str, Path]) -> None:
        super().__init__(folder)
        self.paths = paths

    def place(self, located: Located) -> Place:
        return located.query, None

    def file(self, located: Located) -> None:
        return None

    def pixels(self, located: Located, side: int) -> np.ndarray | None:
        try:
            return mmcv.bgr2rgb(read_image(str(self.paths[located.query]), side))
        except InputError:
            return None


@dataclass(frozen=True)
class Export:
    """One kind of file.

    Attributes:
        name: What the browser saves it as.
        media_type: What it is.
        writer: Writes it to a path, with the images of the queries.
    """

    name: str
    media_type: str
    writer: Callable[[Path, QueryImages], ResultWriter]

    def write(self, search: Search) -> bytes:
        """The file of all answers so far; ``file_name`` and ``query`` in it are the names on the page."""
        paths = {query.name: query.path for query in search.queries.values()}
        with TemporaryDirectory() as folder:
            path = Path(folder) / self.name
            with self.writer(path, _NamedImages(Path(folder), paths)) as results:
                for located in list(search.found):
                    results.write(replace(located, query=search.queries[located.query].name))
            return path.read_bytes()


EXPORTS = {
    'coco': Export('found.json', 'application/json', CocoResults),
    'csv': Export('found.csv', 'text/csv', lambda path, images: CsvResults(path)),
    'html': Export('found.html', 'text/html', HtmlPage),
}
