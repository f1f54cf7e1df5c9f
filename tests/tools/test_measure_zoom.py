"""Small test objects are asked about in every way, by the pixels of their files."""

import json
import sys

import pytest

from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.errors import InputError
from focus_mmdet.results.located import Located
from tests.conftest import ROOT
from tools.analysis_tools import measure_zoom


class MiddleFinder:
    """Says the middle of every image, of each way of looking another share."""

    def __init__(self, *_):
        pass

    def remember(self, supports, name):
        return Reference.of(supports, name)

    def __call__(self, queries, reference, tiles=0, zoom=False):
        assert tiles in (0, 320)
        ((height, width, _),) = (pixels.shape for pixels in queries)
        margin = (1 + zoom + 2 * bool(tiles)) / 10
        box = (margin * width, margin * height, (1 - margin) * width, (1 - margin) * height)
        return [Located('query 0', None, reference.name, (width, height), box, 0.5, False, '')]


@pytest.fixture
def measure(monkeypatch, capsys, vlm_folder):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(measure_zoom, 'InContextInferencer', MiddleFinder)

    def run(*words):
        options = ['--cfg-options', f'model.pretrained={vlm_folder()}']
        command = ['measure_zoom.py', 'configs/focus_tiny_stage2.py', 'none', *options, *words]
        monkeypatch.setattr(sys, 'argv', command)
        measure_zoom.main()
        return capsys.readouterr().out.splitlines()

    return run


def test_each_way_has_its_figure(measure):
    *_, count, _, once, zoom, tiles, both, last = measure('--largest', '0.3', '--episodes', '3')
    assert count.startswith('3 of ')
    figures = json.loads(last)
    assert list(figures) == ['once', 'zoom', 'tiles', 'tiles, zoom']
    assert len(set(figures.values())) == 4
    assert [float(line[12:20]) for line in (once, zoom, tiles, both)] == list(figures.values())


def test_no_small_object_is_said(measure):
    with pytest.raises(InputError, match=r'no test episode has an object of 0 to 0\.001'):
        measure('--largest', '0.001')
