"""What must not change: short runs from the shipped base, and files that users already have."""

import json
from typing import Any

import pytest
from mmengine.config import Config

from tests.conftest import ROOT
from tests.engine.golden_runs import RECORD, made_with, run, train


def close(figures: dict[str, float]) -> Any:
    """Figures of other versions or another processor, which rounds sums otherwise."""
    return pytest.approx(figures, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize('stage', [1, 2])
def test_a_run_is_what_it_was(tmp_path, monkeypatch, stage):
    monkeypatch.chdir(ROOT)
    recorded = json.loads(RECORD.read_text())
    expected, found = recorded['runs'][f'stage{stage}'], run(stage, str(tmp_path / 'run'))
    same = recorded['made_with'] == made_with()
    assert found == expected if same else found['test'] == close(expected['test'])


def test_a_run_of_release_0_1_0_goes_on(tmp_path, monkeypatch):
    """Its config and checkpoint: adapters, optimizer, schedule, reference policy, random state."""
    monkeypatch.chdir(ROOT)
    release = ROOT / 'tests/data/release_0_1_0'
    config = Config.fromfile(str(release / 'focus_tiny_stage2.py'))
    config.merge_from_dict(
        {
            'work_dir': str(tmp_path),
            'load_from': str(release / 'iter_2.pth'),
            'resume': True,
            'log_level': 'ERROR',
            'experiment_name': tmp_path.name,
            'visualizer.name': tmp_path.name,
        }
    )
    found = train(config)
    expected = json.loads((release / 'after_iter_4.json').read_text())
    # Of the processor that made it no more is known than its capability.
    assert found['test'] == close(expected['test'])
