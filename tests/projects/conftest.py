"""Projects as modules, and a finder that finds what is bright."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from focus_mmdet.apis.inputs.images import read_rgb
from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.results.located import Located
from tests.conftest import ROOT


def load(path: str) -> ModuleType:
    """A file of ``projects/`` as a module."""
    name = Path(path).stem
    spec = importlib.util.spec_from_file_location(name, ROOT / 'projects' / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BrightFinder:
    """Boxes what is bright, whatever is asked for, with a score of 0.75."""

    recall = staticmethod(Reference.load)
    remember = staticmethod(Reference.of)

    def __call__(self, queries, references, pred_score_thr=0.0):
        pixels = read_rgb(queries[0], 'query 0')
        rows, columns = np.nonzero(pixels[..., 0] > 100)
        box = None
        if len(rows) and pred_score_thr <= 0.75:
            box = tuple(map(float, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)))
        size = pixels.shape[1::-1]
        return [Located('query 0', None, each.name, size, box, 0.75, box is None, '') for each in references]


@pytest.fixture
def photo(tmp_path):
    """80 x 50 pixels with a bright box at 20, 10, 60, 30."""
    pixels = np.zeros((50, 80, 3), np.uint8)
    pixels[10:30, 20:60] = 255
    Image.fromarray(pixels).save(tmp_path / 'photo.png')
    return str(tmp_path / 'photo.png')
