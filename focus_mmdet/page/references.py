"""What the page was shown: references, made, saved, loaded and forgotten."""

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import anyio
import mmcv
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.errors import InputError
from focus_mmdet.page.ascii_json import AsciiJSON
from focus_mmdet.page.finder import Finder, ModelThread
from focus_mmdet.page.limits import LONGEST_NAME, MOST_SUPPORTS, check_reference, read_json
from focus_mmdet.page.pictures import Uploads, shown


@dataclass(frozen=True)
class Known:
    """A reference, and its supports as JPEGs with their boxes in fractions of the picture."""

    reference: Reference
    supports: list[tuple[bytes, list[float]]]

    def as_json(self, key: str) -> dict[str, Any]:
        """What the page shows of it."""
        return {'id': key, 'name': self.reference.name, 'supports': [box for _, box in self.supports]}


class References:
    """The references that can be searched for."""

    def __init__(self, finder: Finder, model: ModelThread, uploads: Uploads) -> None:
        self.finder, self.model, self.uploads = finder, model, uploads
        self.known: dict[str, Known] = {}
        self.routes = [
            Route('/api/references', self.remember, methods=['POST']),
            Route('/api/references', self.all),
            Route('/api/references/file', self.recall, methods=['POST']),
            Route('/api/references/{key}', self.forget, methods=['DELETE']),
            Route('/api/references/{key}/file', self.save),
            Route('/api/references/{key}/supports/{number:int}', self.show),
        ]

    def __getitem__(self, key: object) -> Known:
        if not isinstance(key, str) or key not in self.known:
            raise InputError('a reference is no longer here. Load the page again')
        return self.known[key]

    async def all(self, request: Request) -> Response:
        """All of them, the oldest first."""
        return AsciiJSON([known.as_json(key) for key, known in self.known.items()])

    async def remember(self, request: Request) -> Response:
        """Make one of ``{name, supports: [{image, box}]}``, the box in pixels of the picture."""
        asked = await read_json(request)
        name, given = asked.get('name'), asked.get('supports')
        if not isinstance(name, str) or not name.strip():
            raise InputError('give the object a name')
        if not isinstance(given, list) or not 0 < len(given) <= MOST_SUPPORTS:
            raise InputError(f'draw a box on at least one picture, and on at most {MOST_SUPPORTS}')
        pictures = [(self.uploads[_of(each, 'image')], _of(each, 'box')) for each in given]
        supports = [(str(picture.path), box) for picture, box in pictures]
        try:
            reference = await self.model(self.finder.remember, supports, name.strip())
        except InputError as error:
            message = str(error)
            for picture, _ in pictures:
                message = picture.told(message)
            raise InputError(message) from None
        self._check_new(reference.name)
        return await self._keep(reference)

    async def recall(self, request: Request) -> Response:
        """Load one from an uploaded .focus file."""
        _, path = await self.uploads.keep(request)
        try:
            await anyio.to_thread.run_sync(check_reference, path, self.uploads.limits)
            reference = await self.model(self.finder.recall, path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), 'the file')) from None
        finally:
            self.uploads.drop(path)
        self._check_new(reference.name)
        return await self._keep(reference)

    async def forget(self, request: Request) -> Response:
        """Take one off the list."""
        self.known.pop(request.path_params['key'], None)
        return Response(status_code=204)

    async def save(self, request: Request) -> Response:
        """Give one as a .focus file."""
        known = self[request.path_params['key']]
        content = await self.model(self.finder.file, known.reference)
        return attachment(content, f'{known.reference.name}.focus', 'application/octet-stream')

    async def show(self, request: Request) -> Response:
        """Show one of its supports."""
        known, number = self[request.path_params['key']], request.path_params['number']
        if number >= len(known.supports):
            raise InputError(f'{known.reference.name} has {len(known.supports)} supports')
        return Response(known.supports[number][0], media_type='image/jpeg')

    def _check_new(self, name: str) -> None:
        if len(name) > LONGEST_NAME:
            raise InputError(f'a name of {len(name)} characters: give it at most {LONGEST_NAME}')
        # A result says which reference it is of by its name.
        if any(known.reference.name == name for known in self.known.values()):
            raise InputError(f'there is a reference {name!r} already: take another name, or forget that one')

    async def _keep(self, reference: Reference) -> Response:
        key = secrets.token_urlsafe(12)
        supports = await anyio.to_thread.run_sync(_shown_supports, reference)
        self.known[key] = Known(reference, supports)
        return AsciiJSON(self.known[key].as_json(key))


def _shown_supports(reference: Reference) -> list[tuple[bytes, list[float]]]:
    supports = []
    for image, (x1, y1, x2, y2) in zip(reference.images, reference.boxes, strict=True):
        height, width = image.shape[:2]
        box = [x1 / width, y1 / height, x2 / width, y2 / height]
        supports.append((shown(mmcv.rgb2bgr(image), 480), box))
    return supports


def attachment(content: bytes, name: str, kind: str) -> Response:
    """A file for the browser to save, whatever its name holds."""
    quoted = quote(name, safe='', errors='replace')
    headers = {'Content-Disposition': f"attachment; filename*=UTF-8''{quoted}"}
    return Response(content, media_type=kind, headers=headers)


def _of(given: Any, key: str) -> Any:
    if not isinstance(given, dict) or key not in given:
        raise InputError(f'a support without its {key}')
    return given[key]
