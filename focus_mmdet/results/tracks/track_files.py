"""What was followed through a video: a video with the boxes, MOT lines and COCO-VID JSON."""

import json
import os
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import TextIO

import cv2
import mmcv
import numpy as np

from focus_mmdet.datasets.conversion.output_file import check_replaceable
from focus_mmdet.errors import InputError
from focus_mmdet.results.located import Located
from focus_mmdet.results.tracks.coco_vid import CocoVideo
from focus_mmdet.results.tracks.mot import mot_lines

_COLOURS = ((230, 40, 40), (0, 200, 80), (30, 120, 255), (255, 200, 0), (220, 60, 220), (0, 210, 220))
VIDEO, LINES, JSON, FRAMES = 'video.mp4', 'mot.txt', 'annotations.json', 'frames'
#: A pattern of which no file is.
NOTHING = '(?!)'


def draw_boxes(pixels: np.ndarray, found: Sequence[Located]) -> np.ndarray:
    """A copy of an RGB frame (H, W, 3) with a box, name and score of each object that is there."""
    drawn = pixels.copy()
    thick = max(1, round(min(pixels.shape[:2]) / 300))
    for located, colour in zip(found, cycle(_COLOURS), strict=False):
        if located.box is not None:
            x1, y1, x2, y2 = map(round, located.box)
            cv2.rectangle(drawn, (x1, y1), (x2, y2), colour, thick)
            words, place = f'{located.reference} {located.score:.2f}', (x1 + 2, max(12, y1 - 4))
            cv2.putText(
                drawn, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * thick, colour, thick, cv2.LINE_AA
            )
    return drawn


def _check_earlier(folder: Path) -> None:
    """An earlier run has left its JSON, however it ended; what lies there without one is somebody else's."""
    check_replaceable(folder / JSON, r'\{"videos": \[\{"id": 1, "name": ', '--out-dir')
    if not (folder / JSON).exists():
        for name in (LINES, VIDEO):
            check_replaceable(folder / name, NOTHING, '--out-dir')


def _saved_earlier(path: Path) -> set[str]:
    """Frames that runs up to now saved, as their JSON lists them."""
    try:
        return set(json.loads(path.read_text())['info']['saved_frames'])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _check_frames(folder: Path, ours: set[str]) -> None:
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name not in ours:
            raise InputError(
                f'{path}: no earlier run saved this frame, and it might be written over. Give another '
                '--out-dir, or move it'
            )


def check_apart(folder: Path, source: str | Path) -> None:
    """See that what is read is not what will be written.

    Raises:
        InputError: ``source``, a video or a folder of frames, is one of the files of ``folder``.
    """
    written = (folder / VIDEO, folder, folder / FRAMES)
    if Path(source).resolve() in [path.resolve() for path in written]:
        raise InputError(f'{source}: would be written over. Give another --out-dir')


class TrackFiles:
    """Writes frames as they come; leaving the ``with`` block, also by an error, finishes all files.

    Args:
        folder: Gets ``video.mp4``, ``mot.txt`` and ``annotations.json``, in place of an earlier run's.
        name: Of the video.
        objects: Names of the objects.
        rate: Frames a second of the written video.
        frames: Also write each frame to ``frames/``, where the JSON says it is: to train on it.

    Nothing is written before the first frame: a run that finds none leaves an earlier one's files alone.

    Raises:
        InputError: Files of these names are there that no earlier run wrote, or in ``frames/`` others.
    """

    def __init__(
        self, folder: Path, name: str, objects: Sequence[str], rate: float, frames: bool = False
    ) -> None:
        self.folder = folder
        self.rate = rate
        self.frames = frames
        self.name = name
        self.coco = CocoVideo(name, objects, FRAMES + '/{number:06d}.jpg')
        _check_earlier(folder)
        self._saved = _saved_earlier(folder / JSON)
        if frames:
            _check_frames(folder / FRAMES, self._saved)
        self._lines: TextIO | None = None
        self._video: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def __enter__(self) -> 'TrackFiles':
        return self

    def add(self, number: int, pixels: np.ndarray, found: Sequence[Located]) -> None:
        """Write a frame.

        Args:
            number: Counted from 0.
            pixels: (H, W, 3) uint8 RGB.
            found: One answer an object, in their order.

        Raises:
            InputError: It is of another size than the first one, or no video can be written.
        """
        height, width = pixels.shape[:2]
        if self._video is None or self._lines is None:
            self._size = (width, height)
            self._video = self._started()
            self._lines = open(self.folder / LINES, 'w')  # noqa: SIM115  closed on leaving
        if (width, height) != self._size:
            first = ' x '.join(map(str, self._size))
            raise InputError(
                f'{self.name}, frame {number} (from 0): {width} x {height} pixels, the first has {first}. '
                f'Give frames of one size; what was found until here is in {self.folder}'
            )
        self._video.write(mmcv.rgb2bgr(draw_boxes(pixels, found)))
        if self.frames:
            path = self.folder / self.coco.file_name.format(number=number)
            mmcv.imwrite(mmcv.rgb2bgr(pixels), str(path))
            self._saved.add(path.name)
        self._lines.writelines(f'{line}\n' for line in mot_lines(number, found))
        self._lines.flush()
        self.coco.add(number, found)

    def _started(self) -> cv2.VideoWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        path, code = str(self.folder / VIDEO), cv2.VideoWriter.fourcc(*'mp4v')
        video = cv2.VideoWriter(path, code, self.rate, self._size)
        if not video.isOpened():
            width, height = self._size
            raise InputError(
                f'{path}: OpenCV cannot write a video of {width} x {height} pixels with {self.rate:g} frames '
                'a second here. Change --every or --fps, or give another --out-dir'
            )
        return video

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._lines is None or self._video is None:
            return
        self._lines.close()
        self._video.release()
        part = self.folder / f'.{JSON}.part'
        part.write_text(json.dumps({**self.coco.content, 'info': {'saved_frames': sorted(self._saved)}}))
        os.replace(part, self.folder / JSON)
