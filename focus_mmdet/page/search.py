"""Searches: pictures asked for references, one answer told after the other."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from focus_mmdet.errors import InputError
from focus_mmdet.page.finder import Finder, ModelThread, Unread
from focus_mmdet.page.limits import Limits, checked_size
from focus_mmdet.page.pictures import Picture, shown
from focus_mmdet.page.references import Known
from focus_mmdet.results.located import Located

#: Queries that are asked together. The first alone, so that its answer is soon there.
_TOGETHER = (1, 8, 64)
_BATCH = 8


class Search:
    """One search.

    Args:
        finder: What answers.
        model: The thread to ask it in.
        references: What to look for.
        not_this: What may be mistaken for it.
        queries: Where.
        limits: Larger pictures are not opened.
        tiles: Pixels of a side of the tiles that are looked into, too; 0: none.
    """

    def __init__(
        self,
        finder: Finder,
        model: ModelThread,
        references: Sequence[Known],
        not_this: Sequence[Known],
        queries: Sequence[Picture],
        limits: Limits,
        tiles: int = 0,
    ) -> None:
        self.finder, self.model, self.limits, self.tiles = finder, model, limits, tiles
        self.references = {known.reference.name: known.reference for known in references}
        self.not_this = [known.reference for known in not_this]
        self.queries = _named_apart(queries)
        self.found: list[Located] = []
        self.stopped = False

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """What happens, one after the other: queries that cannot be read and answers."""
        waiting, together = list(self.queries.values()), list(_TOGETHER)
        while waiting and not self.stopped:
            count = together.pop(0) if len(together) > 1 else together[0]
            some, waiting = waiting[:count], waiting[count:]
            async for event in self._ask(some):
                yield event

    async def _ask(self, queries: list[Picture]) -> AsyncIterator[dict[str, Any]]:
        bad = await anyio.to_thread.run_sync(self._too_bad, queries)
        for each in bad:
            yield self._event(each)
        left_out = {each.query for each in bad}
        readable = [path for query in queries if (path := str(query.path)) not in left_out]
        if not readable:
            return
        together = min(len(readable), _BATCH)
        references = list(self.references.values())
        answers = self.finder.ask(readable, references, self.not_this, together, self.tiles)
        try:
            while not self.stopped and (answer := await self.model(next, answers, None)) is not None:
                yield self._event(answer)
        finally:
            self.model.later(answers.close)

    def _too_bad(self, queries: Sequence[Picture]) -> list[Unread]:
        """Those that are no pictures by their headers, or too large."""
        bad = []
        for query in queries:
            try:
                checked_size(query.path, self.limits)
            except InputError as error:
                bad.append(Unread(str(query.path), str(error)))
        return bad

    def _event(self, answer: Located | Unread) -> dict[str, Any]:
        query = self.queries[answer.query]
        if isinstance(answer, Unread):
            return {'kind': 'unread', 'name': query.name, 'message': query.told(answer.reason)}
        self.found.append(answer)
        return {
            'kind': 'found',
            'number': len(self.found) - 1,
            'name': query.name,
            'reference': answer.reference,
            'size': answer.size,
            'box': answer.box,
            'score': answer.score,
            'absent': answer.absent,
            'instead': answer.instead,
        }

    async def attention(self, number: int) -> bytes:
        """A JPEG of the supports, the query of an answer, and its attention to them."""
        located = self.found[number]
        reference = self.references[located.reference]
        asked = located.query, reference, self.not_this, self.tiles
        strip = await self.model(self.finder.attention, *asked)
        return await anyio.to_thread.run_sync(shown, strip, 0)


def _named_apart(pictures: Sequence[Picture]) -> dict[str, Picture]:
    """Pictures by their paths, each once; of several of one name the later ones get a number."""
    named: dict[str, Picture] = {}
    taken: set[str] = set()
    for key, picture in {str(picture.path): picture for picture in pictures}.items():
        name, path, number = picture.name, Path(picture.name), 2
        while name in taken:
            name, number = str(path.with_stem(f'{path.stem} ({number})')), number + 1
        taken.add(name)
        named[key] = replace(picture, name=name)
    return named


class Told(StreamingResponse):
    """A search's events, a line of JSON each; one that nobody listens to any more stops."""

    def __init__(self, key: str, search: Search) -> None:
        self.search = search
        super().__init__(self._lines(key), media_type='application/x-ndjson')

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except ClientDisconnect:
            pass
        finally:
            self.search.stopped = True

    async def _lines(self, key: str) -> AsyncIterator[str]:
        def line(**event: Any) -> str:
            return json.dumps(event) + '\n'

        yield line(kind='start', search=key, queries=len(self.search.queries))
        try:
            async for event in self.search.events():
                yield line(**event)
        except InputError as error:
            yield line(kind='error', message=str(error))
        except Exception:
            yield line(kind='error', message='the search failed: the terminal of focus page says why')
            raise
        yield line(kind='end', stopped=self.search.stopped)
