"""What MMEngine's backends and MMDetection's tools make of our runs and configs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mmdet
import pytest
from mmengine.runner import Runner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.conftest import ROOT

TOOLS = Path(mmdet.__file__).parent / '.mim' / 'tools'


@pytest.fixture(scope='module')
def tool():
    def run(name: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, str(TOOLS / name), *arguments], cwd=ROOT, capture_output=True, text=True,
            timeout=300, env={**os.environ, 'PYTHONPATH': str(ROOT), 'MPLBACKEND': 'Agg'},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    return run


def test_tensorboard_and_analyze_logs_read_a_run(make_config, tool, tmp_path):
    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    config = make_config(1, 'run', **{'visualizer.vis_backends': backends})
    config.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
    Runner.from_cfg(config).train()
    (scalars,) = Path(config.work_dir).rglob('scalars.json')
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert len(rows) == 4
    assert all({'time', 'data_time', 'lr', 'grad_norm'} <= set(row) for row in rows)

    events = EventAccumulator(str(scalars.parent)).Reload()
    for name in ('loss_lm', 'loss_attention', 'attention_mass'):
        seen = [event.value for event in events.Scalars(name)]
        assert seen == pytest.approx([row[name] for row in rows])

    curve = tmp_path / 'curve.png'
    tool(
        'analysis_tools/analyze_logs.py', 'plot_curve', str(scalars), '--keys', 'loss_lm', '--out', str(curve)
    )
    assert curve.stat().st_size > 1000
    assert 'average iter time' in tool('analysis_tools/analyze_logs.py', 'cal_train_time', str(scalars))


@pytest.mark.parametrize('config', ['focus_stage1', 'focus_tiny_stage2'])
def test_print_config_shows_our_configs_whole(tool, config):
    shown = tool('misc/print_config.py', f'configs/{config}.py', '--cfg-options', 'randomness.seed=7')
    assert "type='VLMHead'" in shown
    assert 'seed=7' in shown
