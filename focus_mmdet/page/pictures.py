"""Uploaded pictures, and pictures made small enough to show."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import cv2
import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from focus_mmdet.datasets.image_file import ADVICE, read_image
from focus_mmdet.errors import InputError
from focus_mmdet.page.ascii_json import AsciiJSON
from focus_mmdet.page.limits import Limits, checked_size, save_body

#: Decoded pictures are large: so many at a time.
_DECODED = 2


@dataclass(frozen=True)
class Picture:
    """A picture file, and what the page calls it."""

    path: Path
    name: str

    def told(self, message: str) -> str:
        """A message about the file, for who sees its name and has no records."""
        for advice in ADVICE:
            message = message.replace(advice, 'Take another picture')
        return message.replace(str(self.path), self.name)


def shown(image: np.ndarray, side: int) -> bytes:
    """A JPEG of (H, W, 3) BGR pixels, at most ``side`` wide and high; 0 for all its pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if 0 < scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


class Uploads:
    """Pictures that were dropped on the page; gone when the server ends."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.room = limits.uploads
        self.folder = TemporaryDirectory(prefix='focus_page_')
        self.pictures: dict[str, Picture] = {}
        self._decoding = anyio.CapacityLimiter(_DECODED)
        self.routes = [
            Route('/api/images', self.add, methods=['POST']),
            Route('/api/images/{key}', self.show),
        ]

    def __getitem__(self, key: object) -> Picture:
        if not isinstance(key, str) or key not in self.pictures:
            raise InputError('a picture is no longer here: the server was started anew. Load the page again')
        return self.pictures[key]

    async def keep(self, request: Request) -> tuple[str, Path]:
        """Write an uploaded file; its key and place.

        Raises:
            HTTPException: It is too large.
        """
        key = secrets.token_urlsafe(12)
        path = Path(self.folder.name) / key
        self.room -= await save_body(request, path, min(self.limits.upload, self.room))
        return key, path

    def drop(self, path: Path) -> None:
        """Delete an uploaded file."""
        self.room += path.stat().st_size
        path.unlink()

    async def add(self, request: Request) -> Response:
        """Take a picture, named ``?name=``."""
        name = Path(request.query_params.get('name', '')[-200:]).name or 'picture'
        key, path = await self.keep(request)
        picture = Picture(path, name)
        try:
            width, height = await anyio.to_thread.run_sync(checked_size, path, self.limits)
        except InputError as error:
            self.drop(path)
            raise InputError(picture.told(str(error))) from None
        self.pictures[key] = picture
        return AsciiJSON({'id': key, 'name': name, 'width': width, 'height': height})

    async def show(self, request: Request) -> Response:
        """Show an uploaded picture."""
        return await self.preview(request, self[request.path_params['key']])

    async def preview(self, request: Request, picture: Picture) -> Response:
        """A picture, uploaded or not, as it is seen, ``?side=`` pixels at most; all of them without."""
        side = request.query_params.get('side', '0')
        if not side.isdecimal() or len(side) > 5:
            raise HTTPException(400, 'side: give a number of pixels')
        try:
            content = await anyio.to_thread.run_sync(
                self._shown, picture.path, int(side), limiter=self._decoding
            )
        except InputError as error:
            raise InputError(picture.told(str(error))) from None
        return Response(content, media_type='image/jpeg')

    def _shown(self, path: Path, side: int) -> bytes:
        checked_size(path, self.limits)
        return shown(read_image(str(path), side or None), side)

    def end(self) -> None:
        """Delete them all."""
        self.folder.cleanup()
