"""The quick start, small: its pictures, its stages and its table."""

import json
import re

import pytest
from mmengine.config import Config

from tests.conftest import ROOT
from tests.forked_run import run_tool

CONFIGS = ('quickstart_stage1', 'quickstart_stage2', 'quickstart_elected', 'feature_matcher_quickstart')
SCRIPT = (ROOT / 'tools/quickstart.sh').read_text()


def run(*words):
    done = run_tool(*map(str, words))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def with_start(path, checkpoint, target):
    """A config that starts from a checkpoint."""
    config = Config.fromfile(str(path))
    config.load_from = str(checkpoint)
    config.dump(str(target))
    return target


@pytest.fixture(scope='module')
def few(tmp_path_factory):
    """The four configs over few pictures, made with the script's options, and few test episodes."""
    folder = tmp_path_factory.mktemp('quickstart')
    options = re.search(r'--smallest \S+ --most-objects \S+', SCRIPT).group().split()
    run(
        'tools/dataset_converters/collages.py', 'data/realset/test.json', '--cutouts', 'data/sprites/test',
        '--out', folder, '--pictures', 150, *options,
    )  # fmt: skip
    paths = []
    for name in CONFIGS:
        text = Config.fromfile(str(ROOT / f'configs/quickstart/{name}.py')).pretty_text
        text = re.sub(r'work_dirs/quickstart/collages/\w+/', f'{folder}/', text)
        config = Config.fromstring(text, '.py')
        config.test_dataloader.num_workers = 0
        for part in config.test_dataloader.dataset.datasets:
            part.episodes.per_track = 1
        paths.append(folder / f'{name}.py')
        config.dump(str(paths[-1]))
    return paths


def test_both_stages_and_the_table_of_two_test_sets(few, tmp_path):
    stage1, stage2, elected, features = few
    short = [
        '--cfg-options', 'train_cfg.max_iters=1', 'train_cfg.val_interval=9', 'train_cfg.effective_batch=2',
        'train_dataloader.batch_size=2', 'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
    ]  # fmt: skip
    run('tools/train.py', stage1, '--work-dir', tmp_path / '1', *short)
    run(
        'tools/train.py', stage2, '--work-dir', tmp_path / '2', *short,
        f'load_from={tmp_path}/1/iter_1.pth', 'train_cfg.num_generations=2',
    )  # fmt: skip
    after = tmp_path / '2/iter_1.pth'
    told = run(
        'tools/analysis_tools/compare_checkpoints.py', stage2, f'stage2={after}',
        f'elected={with_start(elected, after, tmp_path / "elected.py")}', f'features={features}',
        '--work-dir', tmp_path / 'compare',
    )  # fmt: skip
    figures = json.loads(told.strip().splitlines()[-1])
    assert list(figures) == ['collages', 'crops']
    rows = ['stage2', 'elected', 'features', 'copy_support', 'fixed_box', 'matcher']
    assert list(figures['crops']) == list(figures['collages']) == rows
    assert re.search(
        r'^8 test episodes of crops of .*\n.*mIoU.*\nstage2 .*\nelected .*\nfeatures ', told, re.M
    )


def test_a_config_in_a_checkpoints_place_is_tested_from_its_start(few, tmp_path):
    """Its row is not the base's: a file that is not there is named."""
    missing = with_start(few[2], tmp_path / 'gone.pth', tmp_path / 'elected.py')
    done = run_tool(
        'tools/analysis_tools/compare_checkpoints.py',
        str(few[1]),
        f'elected={missing}',
        '--work-dir',
        str(tmp_path),
    )
    assert done.returncode != 0
    assert 'gone.pth' in done.stderr
    assert 'Traceback' not in done.stderr


def test_rows_of_other_test_sets_are_refused(few, tmp_path):
    features = few[-1]
    config = Config.fromfile(str(features))
    config.test_dataloader.dataset = config.test_dataloader.dataset.datasets[1]
    config.test_evaluator = dict(type='InContextMetric')
    config.dump(str(tmp_path / 'crops.py'))
    done = run_tool(
        'tools/analysis_tools/compare_checkpoints.py', str(features), 'features=none',
        f'crops={tmp_path}/crops.py', '--work-dir', str(tmp_path),
    )  # fmt: skip
    assert done.returncode != 0
    assert "crops: its test sets are [''], those of the others ['collages', 'crops']" in done.stderr
