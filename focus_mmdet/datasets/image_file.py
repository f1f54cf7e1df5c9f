"""Image files: their size and their pixels, turned alike.

A picture counts as a browser, and so a labelling tool, shows it: turned as its EXIF tag says,
a TIFF or AVIF as its own. A tag beyond 1 to 8 turns nothing, nor does one in XMP alone.
"""

import os
import struct
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import mmcv
import numpy as np
from PIL import Image

from focus_mmdet.datasets.unreadable_images import UnreadableImageError
from focus_mmdet.errors import InputError

_ORIENTATION = 0x0112


def image_size(path: str) -> tuple[int, int]:
    """(width, height) in pixels from the file's header, as :func:`read_image` loads it.

    Raises:
        InputError: No such file, or not an image.
    """
    if not os.path.isfile(path):
        raise InputError(
            f'image {path} does not exist. Check data_root and data_prefix.img, or remove the record'
        )
    try:
        with open(path, 'rb') as file:
            (width, height), orientation = _read_header(file)
    except Exception as error:
        raise InputError(f'image {path} cannot be read ({error}). Replace it or remove the record') from None
    return (height, width) if orientation >= 5 else (width, height)


def read_image(path: str) -> np.ndarray:
    """(H, W, 3) uint8 BGR pixels.

    Raises:
        UnreadableImageError: No such file, or not an image that OpenCV decodes.
    """
    try:
        content = Path(path).read_bytes()
        _, orientation = _read_header(BytesIO(content))
        pixels = mmcv.imfrombytes(content, 'color_ignore_orientation', backend='cv2')
    except Exception as error:
        message = f'{path}: cannot be read as an image ({error}). Replace or remove it'
        raise UnreadableImageError(message, path) from error
    if pixels is None:
        raise UnreadableImageError(f'{path}: cannot be read as an image. Replace or remove it', path)
    return _turned(pixels, orientation)


def _read_header(file: BinaryIO) -> tuple[tuple[int, int], int]:
    """(width, height) as stored, and the EXIF orientation in 1..8 that remains to be applied."""
    with Image.open(file) as image:
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
