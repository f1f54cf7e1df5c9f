"""What to look through: files, folders, globs, videos and images in memory, one image after the other."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import IOBase
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from focus_mmdet.apis.inputs.images import Image, SeenPixels, check_local, read_seen
from focus_mmdet.datasets.queries import list_queries as list_files
from focus_mmdet.datasets.queries import split_frame
from focus_mmdet.datasets.video import is_video, read_frames
from focus_mmdet.errors import InputError

Queries = Image | Iterable[Image]


@dataclass(frozen=True)
class Query:
    """One image to look into.

    Attributes:
        name: The file's path, or ``'query 3'``.
        frame: Of a video, which one, from 0; else None.
        read: Gives its pixels, or raises ``InputError``; takes ``is_enough`` as :func:`read_seen` does.
    """

    name: str
    frame: int | None
    read: Callable[..., SeenPixels]

    def __str__(self) -> str:
        return self.name if self.frame is None else f'{self.name}#{self.frame}'


def list_queries(queries: Queries) -> Iterable[Image]:
    """Several queries of one or several: folders and globs become their files, in the order of file managers.

    Raises:
        InputError: An address, or something else that is no query.
    """
    if isinstance(queries, (str, Path, np.ndarray, Pillow.Image)):
        queries = [queries]
    # Bytes and open files are iterable, too.
    if not isinstance(queries, Iterable) or isinstance(queries, (bytes, bytearray, IOBase)):
        raise InputError(f'queries: give images, files or folders, not {type(queries).__name__}')
    return (file for query in queries for file in _files(query))


def _files(query: Image) -> Sequence[Image]:
    if not isinstance(query, (str, Path)):
        return [query]
    check_local(str(query))
    try:
        return list_files([str(query)])
    except InputError:
        return [query]  # Reading it says what is wrong, and the others are answered.


def each_query(images: Iterable[Image], every: int) -> Iterator[Query]:
    """A query an image, and one for each ``every``-th frame of a video.

    A file that is missing or broken is a query, too, whose ``read`` says so.
    """
    for index, image in enumerate(images):
        if isinstance(image, (str, Path)):
            yield from _in_file(str(image), every)
        else:
            yield Query(f'query {index}', None, partial(read_seen, image, f'query {index}'))


def _in_file(path: str, every: int) -> Iterator[Query]:
    try:
        video, number = split_frame(path)
    except InputError as error:
        yield _broken(path, error)
        return
    if number is None and is_video(path):
        yield from _frames(path, every)
    else:
        yield Query(video, number, partial(read_seen, path, path))


def _frames(video: str, every: int) -> Iterator[Query]:
    try:
        for number, pixels in read_frames(video, every):
            yield Query(video, number, partial(read_seen, pixels, video))
    except InputError as error:
        yield _broken(video, error)


def _broken(name: str, error: InputError) -> Query:
    def fail(*_: Any, **__: Any) -> SeenPixels:
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
