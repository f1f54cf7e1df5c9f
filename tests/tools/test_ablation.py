"""tools/analysis_tools/ablation.py for a few iterations."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from focus_mmdet.engine.launch import check_schedule
from focus_mmdet.errors import InputError
from focus_mmdet.models.sizing.tiny import build_tiny_vlm
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / 'tools' / 'analysis_tools'))
import ablation

PAIRS = str(ROOT / 'configs/ablations/pairs.py')


def test_arms_are_trained_tested_and_not_done_twice(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    model = build_tiny_vlm(tmp_path / 'vlm', 'qwen3_vl', width=64, layers=5, vision=32)
    config = Config.fromfile(PAIRS)
    config.arms = [('vanilla', [], None), ('trained', ['steps', 'grpo'], 'vanilla')]
    # One test set of each kind.
    config.test_sets = {name: config.test_sets[name] for name in ('pairs', 'shuffled', 'drawn', 'photos')}
    config.columns = [column for column in config.columns if column[1] in config.test_sets]
    config.dump(tmp_path / 'two_arms.py')
    arguments = [str(tmp_path / 'two_arms.py')]
    arguments += ['--work-dir', str(tmp_path), '--pretrained', str(model), '--seeds', '0']
    arguments += ['--stage1-iters', '2', '--stage2-iters', '1', '--episodes', '3']
    monkeypatch.setattr(sys, 'argv', ['ablation.py', *arguments])
    ablation.main()
    results = {
        file.stem: json.loads(file.read_text())['figures'] for file in (tmp_path / 'results').iterdir()
    }
    assert set(results) == {'vanilla', 'steps-grpo-seed0'}
    for figures in results.values():
        assert set(figures) == set(config.test_sets)
        assert {name: row['episodes'] for name, row in figures.items()} == {
            name: 12 if name == 'drawn' else 3 for name in figures
        }
    assert (tmp_path / 'curves.png').stat().st_size > 1000
    lines = (tmp_path / 'table.md').read_text().splitlines()
    assert [line.split('|')[1].strip() for line in lines[2:]] == [
        *(title for title, _, _ in config.arms),
        *ablation.BASELINES,
    ]
    assert len({line.count('|') for line in lines}) == 1

    monkeypatch.setattr(ablation.Runner, 'from_cfg', lambda *_: pytest.fail('done already'))
    ablation.main()
    monkeypatch.setattr(sys, 'argv', ['ablation.py', *arguments[:-1], '4'])
    with pytest.raises(InputError, match='another --work-dir'):
        ablation.main()


def test_an_arm_that_was_interrupted_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    model = build_tiny_vlm(tmp_path / 'vlm', 'qwen3_vl', width=64, layers=5, vision=32)
    configs = []

    def note(config):
        configs.append(config)
        return SimpleNamespace(train=lambda: None)

    monkeypatch.setattr(ablation.Runner, 'from_cfg', note)
    config = Config.fromfile(PAIRS)
    arms = ablation.Ablation(config, tmp_path, str(model), dict.fromkeys(config.steps, 4), 3)
    for saved in (False, True):
        if saved:
            torch.save({'meta': {}, 'state_dict': {}}, tmp_path / 'sft-seed0' / 'iter_2.pth')
        else:
            (tmp_path / 'sft-seed0').mkdir()
        arms.checkpoint(('sft',), 0)
    assert [(config.resume, config.load_from) for config in configs] == [
        (False, None), (True, str(tmp_path / 'sft-seed0' / 'iter_2.pth'))
    ]  # fmt: skip


def test_intervals_are_over_seeds_or_over_episodes():
    assert ablation._cell([0.5], 0.031) == '50.0 ± 3.1'
    assert ablation._cell([0.5], None) == '50.0'
    # Student's t at two degrees of freedom: 4.30 * 0.1 / sqrt(3).
    assert ablation._cell([0.4, 0.5, 0.6], 0.031) == '50.0 ± 24.8'


def test_what_a_part_adds_is_taken_seed_by_seed():
    columns = [('mIoU', 'pairs', 'mIoU')]
    arms = [
        ('none', [], None), ('A', ['sft'], 'none'), ('B', ['paper'], 'A'), ('B + C', ['paper', 'grpo'], 'B')
    ]  # fmt: skip
    figures = {
        'vanilla': 0.1, 'sft-seed3': 0.3, 'sft-seed4': 0.5, 'paper-seed3': 0.4, 'paper-seed4': 0.6,
        'paper-grpo-seed3': 0.4, 'paper-grpo-seed4': 0.8,
    }  # fmt: skip
    results = {key: {'pairs': {'mIoU': value}} for key, value in figures.items()}
    rows = [
        line.split('|')[1:3] for line in ablation.differences(arms, columns, results, [3, 4]).splitlines()[2:]
    ]
    # Two seeds: 12.71 times the deviation over the root of two.
    assert [[cell.strip() for cell in row] for row in rows] == [
        ['A, less none', '30.0 ± 127.1'],
        ['B, less A', '10.0 ± 0.0'],
        ['B + C, less B', '10.0 ± 127.1'],
    ]


def test_a_shorter_run_keeps_the_shape_of_its_schedule():
    config = Config.fromfile(str(ROOT / 'configs/focus_tiny_stage1.py'))
    ablation._shorten(config, 400)
    assert config.train_cfg.max_iters == 400
    assert [(each.begin, each.end) for each in config.param_scheduler] == [(0, 25), (25, 400)]


def test_a_step_may_be_a_config_and_what_differs(monkeypatch):
    monkeypatch.chdir(ROOT)
    paper = 'configs/ablations/pairs_paper_attention.py'
    assert ablation.read_step(paper).custom_hooks[0].layers == 'all'
    assert ablation.read_step((paper, {'custom_hooks.0.layers': 'last:2'})).custom_hooks[0].layers == 'last:2'
    with pytest.raises(InputError, match='max_iters'):
        ablation.read_step((paper, {'max_iters': 3}))


def test_a_short_run_still_leaves_its_warm_up():
    config = Config.fromfile(str(ROOT / 'configs/focus_tiny_pairs_stage2.py'))
    ablation._shorten(config, 20)
    assert [(each.begin, each.end) for each in config.param_scheduler] == [(0, 2), (2, 20)]
    check_schedule(config)


def test_iterations_are_the_configs_own_unless_asked_for(monkeypatch):
    monkeypatch.chdir(ROOT)
    crowds = Config.fromfile('configs/ablations/crowds.py')
    own = ablation._iterations(crowds, None, None)
    assert own['steps_shapes'] == own['sft_shapes'] == 2400
    assert own['steps_crowd'] == own['sft_crowd'] == 2500
    reduced = ablation._iterations(crowds, 20, 2)
    assert {step: count for step, count in reduced.items() if count != 20} == {'grpo': 2}


@pytest.mark.parametrize(
    'name', ['pairs', 'crowds', 'photographs', 'photographs_attention', 'photographs_long_grpo']
)
def test_an_ablation_uses_all_it_has(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = ablation.read_ablation(f'configs/ablations/{name}.py')
    assert {step for _, steps, _ in config.arms for step in steps} == set(config.steps)
    assert {test for _, test, _ in config.columns} == set(config.test_sets)
    for step in config.steps.values():
        ablation.read_step(step)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(arms=[('A', ['sfd'], None)]), "'sfd' is none of its steps: .*sft"),
        (dict(columns=[('mIoU', 'pear', 'mIoU')]), "'pear' is none of its test_sets: .*pairs"),
        (dict(arms=[('A', ['sft'], 'B')]), "'B' is none of its arms: A"),
    ],
)
def test_what_an_ablation_names_and_has_not_is_said(change, message, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = Config.fromfile(PAIRS)
    config.update(change)
    config.dump(tmp_path / 'mine.py')
    with pytest.raises(InputError, match=message):
        ablation.read_ablation(str(tmp_path / 'mine.py'))


def test_a_config_that_is_no_ablation_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    arguments = ['ablation.py', 'configs/focus_tiny_stage1.py', '--work-dir', str(tmp_path)]
    monkeypatch.setattr(sys, 'argv', arguments)
    with pytest.raises(InputError, match='no steps'):
        ablation.main()
