"""``tools/setup_env.sh``, with a Python that installs nothing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

_PYTHON = """#!/usr/bin/env bash
echo "$*" >> calls
case "$*" in
    "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *"-e ."*) [ ! -f interrupted ] ;;
    *print*) cat "$0.version" 2>/dev/null || true ;;
esac
"""


@pytest.fixture
def clone(tmp_path) -> Path:
    """A clone where an installation was interrupted."""
    (tmp_path / 'tools').mkdir()
    for name in ('tools/setup_env.sh', 'constraints.txt', 'setup.py'):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / 'python').write_text(_PYTHON)
    (tmp_path / 'python').chmod(0o755)
    (tmp_path / 'interrupted').touch()
    assert set_up(tmp_path).returncode != 0
    for name in ('interrupted', 'calls'):
        (tmp_path / name).unlink()
    return tmp_path


def set_up(clone: Path, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ['bash', 'tools/setup_env.sh'],
        cwd=clone,
        env={**os.environ, 'PYTHON': str(clone / 'python'), **variables},
        capture_output=True,
        text=True,
    )


def test_an_interrupted_installation_goes_on(clone):
    assert set_up(clone).returncode == 0
    assert '-m venv' not in (clone / 'calls').read_text()
    assert 'up to date' in set_up(clone).stdout


def test_an_environment_of_another_python_or_other_packages_is_made_anew(clone):
    (clone / 'python.version').write_text('(3, 12)')
    assert set_up(clone).returncode == 0
    assert '-m venv --clear .venv' in (clone / 'calls').read_text()
    (clone / 'calls').unlink()
    (clone / 'constraints.txt').write_text('torch==9')
    assert set_up(clone).returncode == 0
    assert '-m venv --clear .venv' in (clone / 'calls').read_text()


def test_a_further_index_is_spoken_of(clone):
    variables = {'PIP_EXTRA_INDEX_URL': 'https://name:secret@packages.invalid'}
    told = set_up(clone, **variables)
    assert 'unset PIP_EXTRA_INDEX_URL' in told.stdout
    assert 'secret' not in told.stdout
