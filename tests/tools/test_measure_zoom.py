"""Small test objects are asked about in every way, by the pixels of their files."""

import json
import sys

import pytest

from focus_mmdet.errors import InputError
from focus_mmdet.models.data_preprocessors.episode_encoder import EpisodeEncoder
from tests.conftest import ROOT
from tools.analysis_tools import measure_zoom

CONFIG = f"""
_base_ = '{ROOT}/configs/focus_tiny_stage2.py'
model = dict(pretrained='FOLDER', bbox_head=dict(max_new_tokens=2))
test_dataloader = dict(num_workers=0, dataset=dict(episodes=dict(per_track=2)))
"""


@pytest.fixture
def measure(monkeypatch, capsys, tmp_path, vlm_folder):
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.replace('FOLDER', vlm_folder()))
    monkeypatch.chdir(ROOT)

    def run(*words):
        monkeypatch.setattr(sys, 'argv', ['measure_zoom.py', str(config), 'none', '--device', 'cpu', *words])
        measure_zoom.main()
        return capsys.readouterr().out.splitlines()

    return run


def test_each_way_has_its_figure(measure, monkeypatch):
    """A model that always says the middle answers otherwise in tiles."""

    def answer(self, text, cells=None):
        return real(self, '<answer>[250, 250, 750, 750]</answer>', cells)

    real = EpisodeEncoder.read
    monkeypatch.setattr(EpisodeEncoder, 'read', answer)
    *_, count, _, once, zoom, tiles, both, last = measure('--largest', '0.3', '--episodes', '2')
    assert count.startswith('2 of ')
    figures = json.loads(last)
    assert list(figures) == ['once', 'zoom', 'tiles', 'tiles, zoom']
    assert figures['once'] != figures['tiles']
    assert [float(line[12:20]) for line in (once, zoom, tiles, both)] == list(figures.values())


def test_no_small_object_is_said(measure):
    with pytest.raises(InputError, match=r'no test episode has an object of 0 to 0\.001'):
        measure('--largest', '0.001')
