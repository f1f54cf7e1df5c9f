"""Run a tool as a user does, but in this process, and write its inputs."""

import runpy
import sys
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from tests.conftest import ROOT

Box = tuple[int, int, int, int]


def convert(name: str, *arguments: object) -> None:
    """``python tools/dataset_converters/<name>.py ARGUMENTS``; errors come as exceptions."""
    run_tool(f'dataset_converters/{name}.py', *arguments)


def run_tool(name: str, *arguments: object) -> None:
    """``python tools/<name> ARGUMENTS``; errors come as exceptions."""
    path = str(ROOT / 'tools' / name)
    main = runpy.run_path(path)['main']
    with mock.patch.object(sys, 'argv', [path, *map(str, arguments)]):
        main()


def photo(path: Path, size: tuple[int, int] = (40, 30)) -> Path:
    """An image file of ``size`` (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size, (9, 99, 200)).save(path)
    return path


def painted(size: tuple[int, int], boxes: dict[int, Box]) -> np.ndarray:
    """Labels (H, W): every value fills its (x, y, w, h), later ones on top."""
    labels = np.zeros(size[::-1], np.uint8)
    for value, (x, y, w, h) in boxes.items():
        labels[y : y + h, x : x + w] = value
    return labels


def palette_mask(path: Path, boxes: dict[int, Box], size: tuple[int, int] = (40, 30)) -> Path:
    """A palette PNG, as DAVIS and PerSeg store masks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(painted(size, boxes), mode='P')
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [200] * 759)
    image.save(path)
    return path
