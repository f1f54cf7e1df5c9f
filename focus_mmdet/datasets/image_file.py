"""Image files: their size and their pixels, turned alike.

A picture counts as a browser, and so a labelling tool, shows it: turned as its EXIF tag says,
a TIFF or AVIF as its own. A tag beyond 1 to 8 turns nothing, nor does one in XMP alone.
Of an animation or of pages the first counts. Transparency is not seen: pixels count with the colour
that is stored. Of 16 bits the upper 8 count. HEIC is read where ``pillow-heif`` is installed.
"""

import os
import struct
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import cv2
import mmcv
import numpy as np
from PIL import Image, UnidentifiedImageError

from focus_mmdet.datasets.unreadable_images import UnreadableImageError
from focus_mmdet.errors import InputError

try:
    from pillow_heif import register_heif_opener
except ImportError:
    pass
else:
    register_heif_opener()

#: What is read, as Pillow calls it. It knows more, and starts other programs for some.
_FORMATS = (
    'JPEG', 'PNG', 'WEBP', 'TIFF', 'GIF', 'BMP', 'MPO', 'AVIF', 'HEIF', 'JPEG2000', 'PPM', 'ICO', 'DIB',
    'SUN',
)  # fmt: skip

#: (width, height) in pixels.
Size = tuple[int, int]

#: What the messages advise whoever has files and records; the page, which has neither, advises otherwise.
ADVICE = (
    'Check data_root and data_prefix.img, or remove the record',
    'Replace it or remove the record',
    'Replace or remove it',
)
_MISSING, _BAD_HEADER, _UNREADABLE = ADVICE

_ORIENTATION = 0x0112
#: By what an image may be smaller, and how OpenCV is told.
_REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
#: Bytes that hold all of an ordinary JPEG's header.
_BEGINNING = 4096
#: Pillow has its own say on pictures beyond these.
_MANY_PIXELS = 2**26
_START_OF_FRAME, _TABLES, _START_OF_SCAN = (0xFFC0, 0xFFC1, 0xFFC2), 0xFFDB, 0xFFDA
#: Brands of HEIC files, in their first bytes.
_HEIC = (b'ftypheic', b'ftypheix', b'ftyphevc', b'ftypheim', b'ftypheis', b'ftypmif1', b'ftypmsf1')
#: JFIF, Huffman tables, restart interval, comment: they say nothing of the picture's size or turn.
_SKIPPED = (0xFFE0, 0xFFC4, 0xFFDD, 0xFFFE)


def image_size(path: str) -> tuple[int, int]:
    """(width, height) in pixels from the file's header, as :func:`read_image` loads it.

    Raises:
        InputError: No such file, not an image, or one of more pixels than :func:`read_image` takes.
    """
    if not os.path.isfile(path):
        raise InputError(f'image {path} does not exist. {_MISSING}')
    beginning = None
    try:
        with open(path, 'rb', buffering=0) as file:
            beginning = file.read(_BEGINNING)
            if (size := _plain_jpeg_size(beginning)) is not None:
                return size
            file.seek(0)
            (width, height), orientation = _read_header(file)
    except Exception as error:
        why = _why_unreadable(error, beginning)
        raise InputError(f'image {path} cannot be read ({why}). {_BAD_HEADER}') from None
    return (height, width) if orientation >= 5 else (width, height)


def read_image(path: str, side: int | None = None) -> np.ndarray:
    """(H, W, 3) uint8 BGR pixels.

    Args:
        path: The file.
        side: For a small picture: a half, quarter or eighth of the size will do, as long as so many
            pixels stay of the longer side. A large JPEG is decoded several times faster so.

    Raises:
        UnreadableImageError: No such file, not an image, or one of more pixels than twice
            ``PIL.Image.MAX_IMAGE_PIXELS`` by its header, in which case nothing is decoded.
    """
    return decode_image(_content(path), path, side)


def read_reduced(path: str, is_enough: Callable[[Size, Size], bool]) -> tuple[np.ndarray, Size]:
    """Pixels of an image that will be shrunk, and its own size.

    Args:
        path: The file.
        is_enough: Of its (width, height), and a half, quarter or eighth of that, whether the latter will
            do. JPEGs alone are decoded faster so; others come whole.

    Returns:
        (H, W, 3) uint8 BGR, and (width, height) of the file, turned alike.

    Raises:
        UnreadableImageError: As of :func:`read_image`.
    """
    content = _content(path)

    def factor(size: Size) -> int:
        if not content.startswith(b'\xff\xd8'):
            return 1
        small = {factor: (-(-size[0] // factor), -(-size[1] // factor)) for factor in _REDUCED}
        return next((factor for factor in _REDUCED if is_enough(size, small[factor])), 1)

    return _decoded(content, path, factor)


def decode_image(content: bytes, path: str, side: int | None = None) -> np.ndarray:
    """As :func:`read_image`, of a file's ``content``; ``path`` is for messages."""

    def factor(size: Size) -> int:
        spare = 1 if side is None else min(max(size) // side, *size)
        return next((factor for factor in _REDUCED if factor <= spare), 1)

    return _decoded(content, path, factor)[0]


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UnreadableImageError(
            f'{path}: cannot be read as an image ({error}). {_UNREADABLE}', path
        ) from error


def _decoded(content: bytes, path: str, factor: Callable[[Size], int]) -> tuple[np.ndarray, Size]:
    """Pixels, at most by the ``factor`` of its size smaller, and that size; both as seen."""
    try:
        size, orientation = _read_header(BytesIO(content))
        size = size[::-1] if orientation >= 5 else size
        flags = _REDUCED.get(factor(size), cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
        if pixels is None:
            pixels = _decoded_by_pillow(content)
    except Exception as error:
        why = _why_unreadable(error, content)
        raise UnreadableImageError(
            f'{path}: cannot be read as an image ({why}). {_UNREADABLE}', path
        ) from error
    return _turned(pixels, orientation), size


def _decoded_by_pillow(content: bytes) -> np.ndarray:
    """(H, W, 3) uint8 BGR of what OpenCV does not decode."""
    with Image.open(BytesIO(content), formats=_formats()) as image:
        image.load()
        return mmcv.rgb2bgr(rgb_of(image))


def rgb_of(image: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an image of Pillow's, of 16 bits the upper 8, as OpenCV takes them.

    Raises:
        ValueError: Its values have no known white; ``convert`` would clip them.
    """
    if image.mode.startswith('I;16'):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.dstack([grey, grey, grey])
    if image.mode[0] in 'IF':
        raise ValueError('its pixels have more than 16 bits, and what is white is not known')
    return np.asarray(image.convert('RGB'))


def _why_unreadable(error: Exception, beginning: bytes | None) -> str:
    """What to tell of a file that begins so; None where not even that can be read."""
    if beginning == b'':
        return 'the file is empty'
    if 'truncated' in str(error).lower():
        return 'the file is cut off: its end is missing'
    if beginning is None or not isinstance(error, (UnidentifiedImageError, Image.DecompressionBombError)):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return f'its header states more than {limit} pixels, the most that are read: make it smaller'
    if beginning[4:12] in _HEIC:
        return 'HEIC: pip install pillow-heif, or convert it to JPEG'
    if beginning[:4] in (b'II*\0', b'MM\0*'):
        return 'a TIFF of a kind that is not read, as floats and 32 bits are: save it with 8 or 16 bits'
    return f'no format that is known here; it begins with {beginning[:24]!r}'


def _plain_jpeg_size(beginning: bytes) -> tuple[int, int] | None:
    """(width, height) of a JPEG with no other metadata than JFIF's; None for what only Pillow can tell.

    Data sets are made of these, and Pillow takes four times as long.
    """
    size, place = None, 2
    while beginning.startswith(b'\xff\xd8') and place + 4 <= len(beginning):
        marker, length = struct.unpack_from('>HH', beginning, place)
        if marker == _START_OF_SCAN:
            return size
        inside = beginning[place + 4 : place + 2 + length]
        if len(inside) != length - 2:
            return None
        if marker in _START_OF_FRAME and size is None:
            size = _frame_size(inside)
        elif not (marker in _SKIPPED or (marker == _TABLES and _are_plain_tables(inside))):
            return None
        place += 2 + length
    return None


def _frame_size(header: bytes) -> tuple[int, int] | None:
    """(width, height) in the start of a JPEG's frame, of 8 bits, in one, three or four colours."""
    if len(header) not in (9, 15, 18) or len(header) != 6 + 3 * header[5] or header[0] != 8:
        return None
    height, width = struct.unpack_from('>HH', header, 1)
    return (width, height) if 0 < width * height < _MANY_PIXELS else None


def _are_plain_tables(tables: bytes) -> bool:
    """Whether these are quantization tables of 64 bytes."""
    return len(tables) % 65 == 0 and all(number < 16 for number in tables[::65])


@cache
def _formats() -> list[str]:
    """Those of this Pillow and its plugins."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _read_header(file: BinaryIO) -> tuple[tuple[int, int], int]:
    """(width, height) as stored, and the EXIF orientation in 1..8 that remains to be applied."""
    with Image.open(file, formats=_formats()) as image:
        # Of a TIFF, Pillow gives the turned size and OpenCV the turned pixels.
        exif = image.info.get('exif', b'')
        if image.format == 'PNG' and not exif:
            exif = _png_exif(file)
        return image.size, _orientation(exif)


def _orientation(exif: bytes) -> int:
    tags = Image.Exif()
    try:
        tags.load(exif)
        value = tags.get(_ORIENTATION, 1)
    except Exception:  # Pillow raises many kinds for broken tags; the picture may be sound.
        return 1
    return value if value in range(1, 9) else 1


def _png_exif(file: BinaryIO) -> bytes:
    """The EXIF block of a PNG, which may lie behind its pixels."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack('>I4s', head)
        if kind == b'eXIf':
            return file.read(length)
        file.seek(length + 4, os.SEEK_CUR)
    return b''


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, 3) pixels as seen, of pixels as stored."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
