"""Settings are chosen by the figure that the test reports."""

import ast
import json
import sys

import pytest
import torch
from transformers import BitImageProcessorPil, ResNetConfig, ResNetModel

from focus_mmdet.errors import InputError
from tests.conftest import ROOT
from tests.forked_run import run_tool
from tools.analysis_tools import tune_feature_matcher
from tools.analysis_tools.compare_checkpoints import check_same_episodes

CONFIG = f"""
_base_ = '{ROOT}/configs/feature_matcher_mobilenet_v2.py'
model = dict(backbone=dict(pretrained='FOLDER', level=1), size=64)
few = dict(dataset=dict(ann_file='test.json', episodes=dict(per_track=1)), num_workers=0)
val_dataloader = few
test_dataloader = few
"""


@pytest.fixture
def tune(monkeypatch, capsys):
    """What the tool prints, line by line."""
    monkeypatch.chdir(ROOT)

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['tune_feature_matcher.py', *arguments])
        tune_feature_matcher.main()
        return capsys.readouterr().out.strip().splitlines()

    return run


@pytest.fixture
def config(tmp_path):
    torch.manual_seed(0)
    shape = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type='basic')
    ResNetModel(shape).save_pretrained(tmp_path / 'resnet')
    BitImageProcessorPil().save_pretrained(tmp_path / 'resnet')
    path = tmp_path / 'matcher.py'
    path.write_text(CONFIG.replace('FOLDER', str(tmp_path / 'resnet')))
    return str(path)


def test_the_best_settings_give_in_a_test_what_was_told(config, tune, vlm_folder, tmp_path):
    settings = ['--levels', 'None', '0,1', '--sizes', '64', '96', '--thresholds', '0.5', '0.8']
    note, episodes, _, *rows, best = tune(config, *settings)
    assert 'these are the test episodes too' in note
    assert episodes == '8 episodes'
    figures = {row[17:].strip(): float(row[:8]) for row in rows}
    assert len(figures) == 8
    options = best.removeprefix('best: --cfg-options ')
    assert figures[options] == max(figures.values())
    chosen = tmp_path / 'chosen.py'
    level, size, threshold = (ast.literal_eval(pair.partition('=')[2]) for pair in options.split())
    model = f'dict(size={size}, threshold={threshold}, backbone=dict(level={level}))'
    chosen.write_text(f"_base_ = '{config}'\nmodel = {model}\n")
    done = run_tool(
        'tools/analysis_tools/compare_checkpoints.py', 'configs/focus_tiny_stage2.py', 'base=none',
        f'features={chosen}', '--work-dir', str(tmp_path), '--cfg-options',
        f'model.pretrained={vlm_folder()}', 'test_dataloader.num_workers=0',
        'test_dataloader.dataset.episodes.per_track=1',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    compared = json.loads(done.stdout.strip().splitlines()[-1])
    assert list(compared) == ['base', 'features', 'copy_support', 'fixed_box', 'matcher']
    assert compared['features'] == pytest.approx(figures[options], abs=2e-4)


@pytest.mark.parametrize('other', [{'episodes': 9.0}, {'copy_support_mIoU': 0.4}])
def test_rows_of_other_episodes_are_refused(other):
    row = {'episodes': 8.0, 'copy_support_mIoU': 0.5}
    check_same_episodes('features', row, dict(row))
    with pytest.raises(
        InputError, match=r'features: its test episodes are others \((episodes|copy_support_mIoU) '
    ):
        check_same_episodes('features', row | other, row)


def test_only_a_matcher_is_tuned(tune, vlm_folder):
    with pytest.raises(InputError, match='FocusDetector: only a FeatureMatcher is tuned'):
        tune('configs/focus_tiny_stage1.py', '--cfg-options', f'model.pretrained={vlm_folder()}')
