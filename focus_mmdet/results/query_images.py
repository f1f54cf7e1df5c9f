"""The images of queries, once more: to link to, and to make small pictures of."""

import os
import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import cv2
import mmcv
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from focus_mmdet.datasets.conversion.output_file import write_whole
from focus_mmdet.datasets.image_file import read_image
from focus_mmdet.datasets.queries import is_answer
from focus_mmdet.datasets.video import read_frames
from focus_mmdet.errors import InputError
from focus_mmdet.results.located import Located

Place = tuple[str, int | None]


class QueryImages:
    """Finds the image of what was found.

    Args:
        folder: Takes the frames of videos that need a file of their own, as JPEG.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._frames = FramesInOrder()
        self._written: dict[Place, str] = {}

    def place(self, located: Located) -> Place:
        """Absolute path of the query's file, and the frame's number where that is a video."""
        return os.path.abspath(located.query), located.frame

    def file(self, located: Located) -> str | None:
        """Absolute path of an image file of the query, or None where it came without one.

        Raises:
            OSError: A frame's file cannot be written.
        """
        path, frame = place = self.place(located)
        if frame is None:
            return path if os.path.isfile(path) else None
        if place not in self._written:
            _, content = cv2.imencode('.jpg', mmcv.rgb2bgr(self._frames.read(path, frame)))
            file = self.folder / _video_name(path) / f'{frame:06d}.jpg'
            write_whole(file, content.tobytes())
            self._written[place] = os.path.abspath(file)
        return self._written[place]

    def pixels(self, located: Located, side: int) -> np.ndarray | None:
        """(H, W, 3) uint8 RGB, of a photograph maybe smaller, or None where it cannot be read again.

        Args:
            located: What was found.
            side: At least so many pixels stay of the longer side, where there are as many.
        """
        path, frame = self.place(located)
        try:
            if frame is not None:
                return self._frames.read(path, frame)
            return mmcv.bgr2rgb(read_image(path, side))
        except InputError:
            return None


class FramesInOrder:
    """Frames of videos by their numbers; quick where they are asked for in order."""

    def __init__(self) -> None:
        self._path = ''
        self._number = -1
        self._frame: np.ndarray
        self._rest: Iterator[tuple[int, np.ndarray]]

    def read(self, path: str, number: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB.

        Raises:
            InputError: It is not there.
        """
        if path != self._path or number < self._number:
            self._path, self._number, self._rest = path, -1, read_frames(path)
        while self._number < number:
            try:
                self._number, self._frame = next(self._rest)
            except StopIteration:
                self._path = ''
                raise InputError(f'{path}: no frame {number}') from None
        return self._frame


def safe_name(number: int, path: str) -> str:
    """A file name that begins with ``number``, reminds of ``path``, and is harmless everywhere."""
    stem = re.sub(r'[^\w.-]+', '_', Path(path).stem)
    return f'{number:05d}_{stem.encode()[:200].decode(errors="ignore")}'


def _video_name(path: str) -> str:
    """A folder's name for the frames of a video: no other file's, so labels that lead there stay true."""
    state = os.stat(path)
    mark = zlib.crc32(f'{path} {state.st_size} {state.st_mtime_ns}'.encode(errors='surrogateescape'))
    return f'{safe_name(0, path)[6:]}_{mark:08x}'


def save_answer(pixels: np.ndarray, path: Path) -> None:
    """Write a picture of an answer as PNG, at once or not at all; a search of its folder passes it over.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        path: An earlier answer's is replaced.

    Raises:
        InputError: Another file is there.
        OSError: It cannot be written.
    """
    if os.path.lexists(path) and not is_answer(path):
        raise InputError(f'{path}: exists, and this tool did not write it. Give another --out-dir')
    said, content = PngInfo(), BytesIO()
    said.add_text('Software', 'focus_mmdet')
    Image.fromarray(pixels).save(content, 'png', pnginfo=said, compress_level=1)
    write_whole(path, content.getvalue())
