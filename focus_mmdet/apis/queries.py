"""What to look through: files, folders, globs, videos and images in memory, one image after the other."""

import glob
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from focus_mmdet.apis.images import Image, check_local, is_frame, read_rgb, split_frame
from focus_mmdet.apis.video import is_video, read_frames
from focus_mmdet.datasets.annotations.natural_order import natural_order
from focus_mmdet.errors import InputError

#: Endings of the pictures that are taken from a folder.
SUFFIXES = {
    '.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.webp', '.bmp', '.tif', '.tiff', '.gif', '.avif', '.heic',
    '.heif', '.jp2', '.ppm', '.pgm',
}  # fmt: skip

Queries = Image | Iterable[Image]


@dataclass(frozen=True)
class Query:
    """One image to look into.

    Attributes:
        name: The file's path, or ``'query 3'``.
        frame: Of a video, which one, from 0; else None.
        read: Gives its (H, W, 3) uint8 RGB pixels, or raises ``InputError``.
    """

    name: str
    frame: int | None
    read: Callable[[], np.ndarray]

    def __str__(self) -> str:
        return self.name if self.frame is None else f'{self.name}#{self.frame}'


def list_queries(queries: Queries) -> Iterable[Image]:
    """Several queries of one or several: folders and globs become their files, in the order of file managers.

    Raises:
        InputError: An address, or something else that is no query.
    """
    if isinstance(queries, (str, Path, np.ndarray, Pillow.Image)):
        queries = [queries]
    if not isinstance(queries, Iterable):
        raise InputError(f'queries: give images, files or folders, not {type(queries).__name__}')
    return (file for query in queries for file in _files(query))


def _files(query: Image) -> Sequence[Image]:
    if not isinstance(query, (str, Path)):
        return [query]
    path = str(query)
    check_local(path)
    if os.path.isdir(path):
        return _in_folder(path)
    if glob.has_magic(path) and not os.path.exists(path) and not is_frame(path):
        found = [file for file in glob.glob(path, recursive=True) if os.path.isfile(file)]
        return sorted(found, key=natural_order) or [path]
    return [path]


def _in_folder(folder: str) -> list[str]:
    """Pictures and videos in a folder and those below it; hidden ones are left out."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith('.')]
        found += [os.path.join(root, name) for name in files if not name.startswith('.')]
    taken = [path for path in found if Path(path).suffix.lower() in SUFFIXES or is_video(path)]
    return sorted(taken, key=natural_order) or [folder]


def each_query(images: Iterable[Image], every: int) -> Iterator[Query]:
    """A query an image, and one for each ``every``-th frame of a video.

    A file that is missing or broken is a query, too, whose ``read`` says so.
    """
    for index, image in enumerate(images):
        name = str(image) if isinstance(image, (str, Path)) else f'query {index}'
        if isinstance(image, (str, Path)) and is_frame(name):
            yield _frame(name)
        elif isinstance(image, (str, Path)) and is_video(name):
            yield from _frames(name, every)
        else:
            yield Query(name, None, partial(read_rgb, image, name))


def _frame(path: str) -> Query:
    try:
        video, number = split_frame(path)
    except InputError as error:
        return _broken(path, error)
    return Query(video, number, partial(read_rgb, path, path))


def _frames(video: str, every: int) -> Iterator[Query]:
    try:
        for number, pixels in read_frames(video, every):
            yield Query(video, number, partial(read_rgb, pixels, video))
    except InputError as error:
        yield _broken(video, error)


def _broken(name: str, error: InputError) -> Query:
    def fail() -> np.ndarray:
        raise error

    return Query(name, None, fail)


def read_ahead(
    queries: Iterable[Query], prepare: Callable[[Query], Any], ahead: int
) -> Iterator[tuple[Query, Future[Any]]]:
    """Queries in order, each with what ``prepare`` makes of it in other threads.

    Args:
        queries: Taken as they are needed.
        prepare: Reads one; what it raises comes with the future's result.
        ahead: So many are prepared while the first of them is worked on.
    """
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1), 'focus-read')
    waiting: deque[tuple[Query, Future[Any]]] = deque()
    try:
        for query in queries:
            waiting.append((query, pool.submit(prepare, query)))
            if len(waiting) > ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    except BaseException:  # Also where nobody wants the rest.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown(wait=False)
