"""A folder of labels beside links to the images that they belong to."""

import os
import re
from abc import abstractmethod
from pathlib import Path
from typing import Any, Self

from focus_mmdet.errors import InputError
from focus_mmdet.results.located import Located
from focus_mmdet.results.query_images import QueryImages, safe_name
from focus_mmdet.results.result_writer import ResultWriter


class LinkedFolder(ResultWriter):
    """A label file for each image, written as soon as something is known of it, with a link to the image.

    Image and labels have one name, a number and what the image was called, so that files of one name from
    several folders do not meet, and names are harmless.

    Args:
        path: The folder. It must be empty, or not there yet: labels in it may have been corrected by hand.
        images: Finds the files of the queries, and keeps the frames of videos.
    """

    #: Where links and labels lie, below the folder.
    links, labels = '', ''

    def __init__(self, path: str | Path, images: QueryImages) -> None:
        super().__init__(path)
        self.images = images
        self._names: dict[str, tuple[str, str]] = {}
        self._found: dict[str, list[Located]] = {}

    def check(self) -> None:
        if os.path.lexists(self.path) and not (self.path.is_dir() and not any(self.path.iterdir())):
            raise InputError(
                f'{self.path}: exists, and its labels may have been corrected. Give another --out-dir, '
                'or remove it'
            )

    def __enter__(self) -> Self:
        super().__enter__()
        for folder in (self.links, self.labels):
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        return self

    def write(self, located: Located) -> None:
        source = self.images.file(located)
        key = source or located.query
        if key not in self._names:
            name = safe_name(len(self._names), key)
            suffix = os.path.splitext(key)[1]
            link = name + (suffix if re.fullmatch(r'\.\w{1,5}', suffix, re.ASCII) else '')
            if source is not None:
                os.symlink(source, self.path / self.links / link)
            self._names[key], self._found[key] = (name, link), []
        if located.box is not None:
            self._found[key].append(located)
        name, link = self._names[key]
        self.write_labels(self.path / self.labels / name, link, located.size, self._found[key])

    @abstractmethod
    def write_labels(self, stem: Path, link: str, size: tuple[int, int], found: list[Located]) -> None:
        """Write the labels of one image, in place of what was written of it before.

        Args:
            stem: Path of the label file, without its ending.
            link: Name of the image's link.
            size: (width, height) of the image in pixels.
            found: All boxes in it so far.
        """

    def __exit__(self, *error: Any) -> None:
        pass
