"""Running a converter as its command does, writing its inputs and reading back what it wrote."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from tests.conftest import ROOT

WIDTH, HEIGHT = 40, 30
Box = tuple[int, int, int, int]


class Done(NamedTuple):
    """How a tool ended: exit status, what it printed, what it complained of."""

    status: int
    out: str
    err: str

    def refused(self, message: str) -> bool:
        """Whether it ended with one message that holds these words."""
        return self.status == 2 and message in self.err

    def drops(self) -> dict[str, int]:
        """Times dropped, by reason."""
        lines = [line.strip() for line in self.out.splitlines() if line.startswith('  dropped ')]
        return {line.split(': ', 1)[1].split(';')[0]: int(line.split()[1]) for line in lines}


@pytest.fixture
def run_tool(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """``run_tool('browse_dataset.py', config, '--number', 2)`` runs tools/browse_dataset.py."""

    def run(name: str, *arguments: Any) -> Done:
        script = str(ROOT / 'tools' / name)
        monkeypatch.setattr(sys, 'argv', [script, *map(str, arguments)])
        capsys.readouterr()
        status = 0
        try:
            runpy.run_path(script, run_name='__main__')
        except SystemExit as end:
            status = int(end.code or 0)
        return Done(status, *capsys.readouterr())

    return run


@pytest.fixture
def convert(run_tool: Callable[..., Done]) -> Callable[..., Done]:
    """``convert('lasot', folder, '--stride', 2)`` runs tools/dataset_converters/lasot.py."""
    return lambda name, *arguments: run_tool(f'dataset_converters/{name}.py', *arguments)


def write_frame(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size).save(path)
    return path


def painted(size: tuple[int, int], boxes: dict[int, Box]) -> np.ndarray:
    """Labels (H, W): every value fills its (x, y, w, h), later ones on top."""
    labels = np.zeros(size[::-1], np.uint8)
    for value, (x, y, w, h) in boxes.items():
        labels[y : y + h, x : x + w] = value
    return labels


def write_mask(path: Path, boxes: dict[int, Box], size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """A palette PNG, as DAVIS and PerSeg store masks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(painted(size, boxes), mode='P')
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [200] * 759)
    image.save(path)
    return path


def read_tracks(path: Path, root: Path) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    """Frames (file name, box as corners in pixels) by the name of the object."""
    file = AnnotationFile(str(path), str(root))
    names = {f'instance_id {record["id"]}': record['name'] for record in file.content['instances']}
    return {
        names[track.name]: [(str(Path(frame.path).relative_to(root)), frame.box) for frame in track.frames]
        for track in file.tracks()
    }


def read_absent(path: Path) -> dict[str, list[str]]:
    """Objects that a frame is known not to show, by the frame's file name."""
    content = AnnotationFile(str(path), '').content
    names = {record['id']: record['name'] for record in content['instances']}
    return {
        image['file_name']: [names[number] for number in image['absent']]
        for image in content['images']
        if 'absent' in image
    }
