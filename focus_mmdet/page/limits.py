"""How much the page takes in, and how it takes it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors import safe_open
from starlette.exceptions import HTTPException
from starlette.requests import Request

from focus_mmdet.datasets.image_file import image_size
from focus_mmdet.errors import InputError

_JSON_BYTES = 2**20
#: Of one reference.
MOST_SUPPORTS = 16
#: In characters: it goes into a header when the file is saved.
LONGEST_NAME = 200


@dataclass(frozen=True)
class Limits:
    """What is too much.

    Attributes:
        upload: Bytes of one uploaded file.
        uploads: Bytes of all uploaded files together.
        pixels: Of one picture, by its header: checked before it is decoded.
    """

    upload: int = 100 * 2**20
    uploads: int = 8 * 2**30
    pixels: int = 100_000_000


def checked_size(path: str | Path, limits: Limits) -> tuple[int, int]:
    """(width, height) of a picture as it is seen, from its header.

    Raises:
        InputError: Not an image, or one of more pixels than allowed.
    """
    width, height = image_size(str(path))
    if width * height > limits.pixels:
        raise InputError(
            f'{path}: {width} x {height} pixels are more than the {limits.pixels:,} allowed. '
            'Make it smaller, or start focus page with a larger --max-megapixels'
        )
    return width, height


def check_reference(path: Path, limits: Limits) -> None:
    """See that the pictures in a .focus file are few and small enough, before one is decoded.

    Raises:
        InputError: They are not, or it is no such file.
    """
    sizes = []
    try:
        with safe_open(str(path), 'numpy') as file:
            for name in file.keys():  # noqa: SIM118  it is no dict
                if name.startswith('image_'):
                    sizes.append(Image.open(BytesIO(file.get_tensor(name).tobytes())).size)
    except Exception as error:  # a stranger's file may be wrong in any way
        raise InputError(f'{path}: not a reference that was saved here ({error})') from error
    if len(sizes) > MOST_SUPPORTS:
        raise InputError(f'{path}: holds {len(sizes)} supports; the page takes {MOST_SUPPORTS}')
    for width, height in sizes:
        if width * height > limits.pixels:
            raise InputError(f'{path}: a support of {width} x {height} pixels; {limits.pixels:,} are allowed')


async def _chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body, cut off where it grows beyond ``limit`` bytes."""
    stated, received = request.headers.get('content-length', '0'), 0
    if stated.isdecimal() and int(stated) > limit:
        raise HTTPException(413, f'more than the {limit:,} bytes allowed')
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise HTTPException(413, f'more than the {limit:,} bytes allowed')
        yield chunk


def _check_type(request: Request, wanted: str) -> None:
    # Of the types that a form on another page could send, this is none.
    if request.headers.get('content-type', '').split(';')[0].strip() != wanted:
        raise HTTPException(415, f'send {wanted}')


async def read_json(request: Request) -> dict[str, Any]:
    """The body, which must be a JSON object."""
    _check_type(request, 'application/json')
    body = b''.join([chunk async for chunk in _chunks(request, _JSON_BYTES)])
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, 'the body is not JSON') from None
    if not isinstance(value, dict):
        raise HTTPException(400, 'the body is not a JSON object')
    return value


async def save_body(request: Request, path: Path, limit: int) -> int:
    """Write an uploaded file to ``path``; leave none there where it is too large or cut off.

    Returns:
        Its size in bytes.
    """
    _check_type(request, 'application/octet-stream')
    try:
        with path.open('wb') as file:
            async for chunk in _chunks(request, limit):
                file.write(chunk)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(f'it cannot be kept in {path.parent} ({error.strerror})') from error
        raise
    return path.stat().st_size
