"""Photographs and a video of hostile names, and what was found in them."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from focus_mmdet.results import Located

WIDTH, HEIGHT = 64, 48
NAMES = (
    b'plain.jpg', b'<script>alert(1)<script>.png', b'"quoted" & \'so\'.png', b'comma, and\nnewline.png',
    b'caf\xe9.png', b'=1+2.png', b'50% #3?.png', '\u202egnp.exe'.encode(), b'a.b.png', b'n' * 240 + b'.png',
)  # fmt: skip


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths relative to the working directory; the first two lie in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    paths = []
    for number, name in enumerate(NAMES):
        path = os.fsdecode((b'' if number > 1 else b'photos/') + name)
        os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
        Image.new('RGB', (WIDTH, HEIGHT), (20 * number, 100, 50)).save(path, 'PNG')
        paths.append(path)
    return paths


@pytest.fixture
def clip(tmp_path: Path) -> str:
    """Six frames, of a grey of 40 times their number."""
    path = str(tmp_path / 'clip <b>.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 5, (WIDTH, HEIGHT))
    for number in range(6):
        writer.write(np.full((HEIGHT, WIDTH, 3), 40 * number, np.uint8))
    writer.release()
    return path


@pytest.fixture
def located() -> Callable[..., Located]:
    def make(
        query: str, box: tuple | None = (8.25, 4, 40.5, 30), score: float = 0.5, **more: object
    ) -> Located:
        known = dict(frame=None, reference='my cup', size=(WIDTH, HEIGHT), absent=False, answer='<answer>')
        return Located(query=query, box=box, score=score, **(known | more))  # type: ignore[arg-type]

    return make
