"""The page's searches: begun, stopped, looked at and taken away as files."""

import secrets
from pathlib import Path
from typing import Any

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from focus_mmdet.datasets.queries import PICTURES, list_queries
from focus_mmdet.errors import InputError
from focus_mmdet.page.ascii_json import AsciiJSON
from focus_mmdet.page.export import EXPORTS
from focus_mmdet.page.finder import Finder, ModelThread
from focus_mmdet.page.limits import Limits, read_json
from focus_mmdet.page.pictures import Picture, Uploads
from focus_mmdet.page.references import Known, References, attachment
from focus_mmdet.page.search import Search, Told
from focus_mmdet.page.security import inside

#: Pixels of a side of the tiles that are looked into for small objects.
_TILE = 640


class Searches:
    """All searches since the server was started.

    Args:
        finder: What answers.
        model: The thread to ask it in.
        uploads: Pictures that can be searched.
        references: What can be looked for.
        root: A folder whose pictures can be searched, too.
        limits: Larger pictures are not opened.
    """

    def __init__(
        self,
        finder: Finder,
        model: ModelThread,
        uploads: Uploads,
        references: References,
        root: Path | None,
        limits: Limits,
    ) -> None:
        self.finder, self.model, self.limits = finder, model, limits
        self.uploads, self.references, self.root = uploads, references, root
        self.searches: dict[str, Search] = {}
        self.routes = [
            Route('/api/folders', self.folders),
            Route('/api/searches', self.begin, methods=['POST']),
            Route('/api/searches/{key}/stop', self.stop, methods=['POST']),
            Route('/api/searches/{key}/answers/{number:int}/picture', self.show),
            Route('/api/searches/{key}/answers/{number:int}/attention', self.attention),
            Route('/api/searches/{key}/export/{kind}', self.export),
        ]

    async def folders(self, request: Request) -> Response:
        """The folders in the served folder's ``?path=``."""
        path = self._inside(request.query_params.get('path', ''))
        names = sorted(each.name for each in path.iterdir() if each.is_dir() and not each.is_symlink())
        return AsciiJSON([name for name in names if not name.startswith('.')])

    async def begin(self, request: Request) -> Response:
        """Search for ``{references: [...]}`` in ``{images: [...]}`` and in ``{folder: ...}``, if not null.

        References in ``{not_this: [...]}`` are look-alikes. With ``{small: true}`` it looks into tiles, too.
        """
        asked = await read_json(request)
        references, not_this = self._chosen(asked)
        queries = [self.uploads[key] for key in _list(asked, 'images')]
        if (folder := asked.get('folder')) is not None:
            queries += await anyio.to_thread.run_sync(self._pictures, str(folder))
        if not queries:
            raise InputError('choose pictures to look into')
        if not isinstance(small := asked.get('small', False), bool):
            raise InputError('small: give true or false')
        key, tiles = secrets.token_urlsafe(12), _TILE if small else 0
        self.searches[key] = Search(
            self.finder, self.model, references, not_this, queries, self.limits, tiles
        )
        return Told(key, self.searches[key])

    def _chosen(self, asked: dict[str, Any]) -> tuple[list[Known], list[Known]]:
        """What is looked for, and what may be mistaken for it."""
        wanted, unwanted = _list(asked, 'references'), _list(asked, 'not_this')
        references, not_this = ([self.references[key] for key in keys] for keys in (wanted, unwanted))
        if not references:
            raise InputError('choose what to look for')
        for key, known in zip(unwanted, not_this, strict=True):
            if key in wanted:
                name = known.reference.name
                raise InputError(f'{name!r} is to be looked for and is "not this": choose one of the two')
        return references, not_this

    async def stop(self, request: Request) -> Response:
        """End a search after the answer that is being found."""
        self._search(request).stopped = True
        return Response(status_code=204)

    async def show(self, request: Request) -> Response:
        """Show the query of an answer."""
        search, number = self._answer(request)
        return await self.uploads.preview(request, search.queries[search.found[number].query])

    async def attention(self, request: Request) -> Response:
        """Show what an answer's query attends to in the supports."""
        search, number = self._answer(request)
        return Response(await search.attention(number), media_type='image/jpeg')

    async def export(self, request: Request) -> Response:
        """Give the answers so far as a file."""
        kind = request.path_params['kind']
        if kind not in EXPORTS:
            raise HTTPException(404, f'{kind}: there are {", ".join(EXPORTS)}')
        export = EXPORTS[kind]
        content = await anyio.to_thread.run_sync(export.write, self._search(request))
        return attachment(content, export.name, export.media_type)

    def stop_all(self) -> None:
        """End every search."""
        for search in self.searches.values():
            search.stopped = True

    def _search(self, request: Request) -> Search:
        key = request.path_params['key']
        if key not in self.searches:
            raise InputError('this search is no longer here. Load the page again')
        return self.searches[key]

    def _answer(self, request: Request) -> tuple[Search, int]:
        search, number = self._search(request), request.path_params['number']
        if number >= len(search.found):
            raise HTTPException(404, f'no answer {number}')
        return search, number

    def _inside(self, relative: str) -> Path:
        if self.root is None:
            raise InputError('no folder is served: start focus page with --root FOLDER')
        path = inside(self.root, relative)
        if not path.is_dir():
            raise InputError(f'{relative!r}: not a folder')
        return path

    def _pictures(self, folder: str) -> list[Picture]:
        assert self.root is not None
        top, root = self._inside(folder), self.root.resolve()
        pictures = []
        try:
            found = list_queries([str(top)])
        except InputError:
            raise InputError(f'{folder!r}: no picture in this folder or below it') from None
        for path in map(Path, found):
            # A link may lead out of the root.
            if path.suffix.lower() in PICTURES and path.resolve().is_relative_to(root):
                pictures.append(Picture(path, str(path.relative_to(root))))
        return pictures


def _list(asked: dict[str, Any], key: str) -> list[Any]:
    value = asked.get(key, [])
    if not isinstance(value, list):
        raise HTTPException(400, f'{key}: not a list')
    return value
