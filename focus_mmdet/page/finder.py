"""What the page asks of a model: the one place that knows the inferencer."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mmcv
import numpy as np

from focus_mmdet.apis.inferencer import InContextInferencer
from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.errors import InputError
from focus_mmdet.results.located import Located


@dataclass(frozen=True)
class Unread:
    """A query that cannot be answered.

    Attributes:
        query: Its path.
        reason: Names the path.
    """

    query: str
    reason: str


class Finder:
    """An inferencer as the page uses it.

    Args:
        find: The inferencer.
    """

    def __init__(self, find: InContextInferencer) -> None:
        self.find = find

    def remember(self, supports: Sequence[tuple[str, Sequence[float]]], name: str) -> Reference:
        """A reference of paths with boxes (x1, y1, x2, y2) in pixels of the picture as it is seen."""
        return self.find.remember(supports, name=name)

    def recall(self, path: Path) -> Reference:
        """The reference in a .focus file."""
        return self.find.recall(path)

    def file(self, reference: Reference) -> bytes:
        """A reference as the content of a .focus file."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / 'reference.focus'
            reference.save(path)
            return path.read_bytes()

    def ask(
        self,
        queries: Sequence[str],
        references: Sequence[Reference],
        not_this: Sequence[Reference],
        batch_size: int,
        tiles: int,
    ) -> Generator[Located | Unread]:
        """What is found of each reference in each query, in order; at the end what cannot be read."""
        options: dict[str, Any] = dict(not_this=not_this, batch_size=batch_size, tiles=tiles)
        try:
            yield from self.find.stream(queries, references, **options)
        except InputError:
            # Also raised where not one of the queries can be read.
            if not self.find.unread:
                raise
        for query, reason in self.find.unread:
            yield Unread(query, reason)

    def attention(
        self, query: str, reference: Reference, not_this: Sequence[Reference], tiles: int
    ) -> np.ndarray:
        """(H, W, 3) BGR strip of the supports, the query, and its attention to them."""
        # A search may be going on, whose list is not to be lost.
        unread = self.find.unread
        try:
            (located,) = self.find.stream([query], [reference], not_this=not_this, picture=True, tiles=tiles)
        finally:
            self.find.unread = unread
        return mmcv.rgb2bgr(located.picture)


class ModelThread:
    """The one thread that the model runs in: one question at a time, and never in the server's way."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1, 'focus-model')

    async def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns or raises."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, function, *arguments)

    def later(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call it once the thread is free."""
        with suppress(RuntimeError):  # The server has ended.
            self.thread.submit(function, *arguments)

    def end(self) -> None:
        """Start nothing more."""
        self.thread.shutdown(wait=False, cancel_futures=True)
