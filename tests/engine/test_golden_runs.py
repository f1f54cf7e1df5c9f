"""What must not change: short runs from the shipped base, and files that users already have."""

import json
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.engine.golden_runs import RECORD, RELEASE, go_on, made_with, run


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
    recorded = json.loads(RECORD.read_text())
    found = go_on(str(tmp_path / 'run'))
    if recorded['made_with'] == made_with():
        assert found == recorded['runs']['release_0_1_0']
    # What the release itself made of it, on a processor of which the model is not known.
    released = json.loads((RELEASE / 'after_iter_4.json').read_text())
    assert found['test'] == close(released['test'])
