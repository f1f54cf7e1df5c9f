"""What MMEngine's backends and MMDetection's own tools make of our configs and runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mmdet
import mmengine
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from focus_mmdet.__main__ import main
from tests.conftest import ROOT

TOOLS = Path(mmdet.__file__).parent / '.mim' / 'tools'
CONFIG = f"""
_base_ = 'focus_mmdet::focus_tiny_stage1.py'
shown = dict(_base_.train_photos, data_root='{ROOT}/data/realset/')
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(_delete_=True, **shown)
)
held_out = dict(data_root='{ROOT}/data/realset/', episodes=dict(per_track=1))
val_dataloader = dict(batch_size=4, num_workers=0, dataset=held_out)
test_dataloader = val_dataloader
val_evaluator = [dict(type='InContextMetric'), dict(type='CocoMetric', metric='bbox')]
test_evaluator = val_evaluator
train_cfg = dict(max_iters=4, val_interval=100, effective_batch=2)
default_hooks = dict(logger=dict(interval=1))
visualizer = dict(
    name='mmdet_tools', vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
)
"""


@pytest.fixture(scope='module')
def run(tmp_path_factory) -> Path:
    """Folder of ``my.py`` and of what MMDetection's train.py made of it, in a process of its own."""
    folder = tmp_path_factory.mktemp('mmdet')
    (folder / 'my.py').write_text(CONFIG)
    done = subprocess.run(
        [sys.executable, '-m', 'focus_mmdet', str(TOOLS / 'train.py'), 'my.py', '--work-dir', 'run'],
        cwd=folder, capture_output=True, text=True, timeout=300,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'CUDA_VISIBLE_DEVICES': ''},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture
def tool(run, monkeypatch, capsys):
    """``python -m focus_mmdet TOOL ARGUMENTS``, here; returns what it printed."""
    monkeypatch.chdir(run)
    monkeypatch.setattr(sys, 'path', list(sys.path))

    def call(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, 'argv', ['focus_mmdet', str(TOOLS / name), *arguments])
        main()
        return capsys.readouterr().out

    return call


def test_tensorboard_and_analyze_logs_read_a_run(run, tool):
    (scalars,) = run.rglob('scalars.json')
    *rows, validation = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert len(rows) == 4
    assert 'in_context/mIoU' in validation
    assert all({'time', 'data_time', 'lr', 'grad_norm'} <= set(row) for row in rows)

    events = EventAccumulator(str(scalars.parent)).Reload()
    for name in ('loss_lm', 'loss_attention', 'attention_mass'):
        seen = [event.value for event in events.Scalars(name)]
        assert seen == pytest.approx([row[name] for row in rows])

    tool('analysis_tools/analyze_logs.py', 'plot_curve', str(scalars), '--keys', 'loss_lm', '--out', 'a.png')
    assert (run / 'a.png').stat().st_size > 1000
    assert 'average iter time' in tool('analysis_tools/analyze_logs.py', 'cal_train_time', str(scalars))


def test_saved_predictions_are_judged_as_in_the_test(run, tool):
    tool('test.py', 'my.py', 'run/iter_4.pth', '--work-dir', 'tested', '--out', 'found.pkl')
    assert len(mmengine.load(run / 'found.pkl')) == 8
    (log,) = (run / 'tested').rglob('*.json')
    tested = json.loads(log.read_text())
    printed = tool('analysis_tools/eval_metric.py', 'my.py', 'found.pkl')
    for name in ('in_context/mIoU', 'coco/bbox_mAP'):
        assert f"'{name}': {tested[name]}"[:-1] in printed
    tool('analysis_tools/confusion_matrix.py', 'my.py', 'found.pkl', 'matrix')
    assert (run / 'matrix' / 'confusion_matrix.png').stat().st_size > 1000


@pytest.mark.parametrize('config', ['focus_stage1', 'focus_tiny_stage2'])
def test_print_config_shows_our_configs_whole(tool, config):
    shown = tool('misc/print_config.py', f'{ROOT}/configs/{config}.py', '--cfg-options', 'randomness.seed=7')
    assert "type='VLMHead'" in shown
    assert 'seed=7' in shown
