"""What must not change: short runs from the shipped base, and files that users already have."""

import json

import pytest

from tests.engine.golden_runs import RECORD, made_with, run


@pytest.mark.parametrize('stage', [1, 2])
def test_a_run_is_what_it_was(tmp_path, monkeypatch, stage):
    monkeypatch.chdir(RECORD.parents[2])
    recorded = json.loads(RECORD.read_text())
    expected, found = recorded['runs'][f'stage{stage}'], run(stage, str(tmp_path / 'run'))
    if recorded['made_with'] != made_with():
        expected = pytest.approx(expected['test'], rel=1e-3, abs=1e-3)
    assert found == expected
