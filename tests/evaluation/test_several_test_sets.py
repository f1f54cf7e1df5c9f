"""Two datasets tested in one run, as MMDetection does it."""

import importlib.util

import mmengine
import pytest
from mmdet.evaluation.metrics import DumpDetResults
from mmengine.config import Config
from mmengine.runner import Runner

from focus_mmdet.engine.launch import check_inputs
from focus_mmdet.errors import InputError
from tests.conftest import ROOT


@pytest.fixture
def make_config(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)

    def make(name, dataset, evaluator) -> Config:
        config = Config.fromfile('configs/focus_tiny_stage1.py')
        config.merge_from_dict(
            {
                'work_dir': str(tmp_path / name),
                'test_dataloader.num_workers': 0,
                'experiment_name': f'{tmp_path.name}-{name}',
                'visualizer.name': f'{tmp_path.name}-{name}',
                'log_level': 'ERROR',
            }
        )
        config.test_dataloader.dataset, config.test_evaluator = dataset, evaluator
        return config

    return make


@pytest.fixture
def datasets():
    """Photographs and drawings, whose episodes share ids."""
    base = Config.fromfile(str(ROOT / 'configs/focus_tiny_stage1.py'))
    photos = dict(base.test_dataloader.dataset, indices=6)
    alone = dict(look_alikes=0, distractors=0, target=0, scale=(0.4, 0.8))
    drawings = dict(base.train_sprites, data_root='data/sprites/test', length=5, test_mode=True, **alone)
    return photos, drawings


@pytest.fixture
def tool(monkeypatch):
    """tools/test.py as a module."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    spec = importlib.util.spec_from_file_location('focus_test', ROOT / 'tools/test.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_dataset_is_judged_by_itself(make_config, datasets, tool, tmp_path, monkeypatch):
    def write(metric, results, write=DumpDetResults.compute_metrics):
        figures = next((tmp_path / 'both').glob('*/*.json')).read_text()
        assert 'photos/in_context/mIoU' in figures, 'written before the predictions, which may fail'
        return write(metric, results)

    monkeypatch.setattr(DumpDetResults, 'compute_metrics', write)
    metrics = ['InContextMetric', 'CocoMetric']
    together = dict(
        type='MultiDatasetsEvaluator',
        metrics=[dict(type=name) for name in metrics],
        dataset_prefixes=['photos', 'drawings'],
    )
    config = make_config('both', dict(type='ConcatDataset', datasets=list(datasets)), together)
    check_inputs(config, ['test_dataloader'])
    config.default_hooks.visualization.update(draw=True, test_out_dir=str(tmp_path / 'pictures'))
    figures = tool.test(config, str(tmp_path / 'out.pkl'))
    written = mmengine.load(tmp_path / 'out.pkl')
    assert [each['img_id'] for each in written] == [*range(6), *range(5)]
    pictures = sorted(path.name for path in (tmp_path / 'pictures').iterdir())
    assert pictures == [f'episode_{number:05d}.png' for number in range(11)]
    alone = {}
    for prefix, dataset, name in zip(together['dataset_prefixes'], datasets, metrics, strict=True):
        found = Runner.from_cfg(make_config(prefix, dataset, [dict(type=name)])).test()
        alone |= {f'{prefix}/{key}': value for key, value in found.items()}
    assert figures == pytest.approx(alone, nan_ok=True)
    assert figures['photos/in_context/mIoU'] > 0
    assert figures['drawings/coco/bbox_mAP'] > 0


@pytest.mark.parametrize('scope', ['', 'mmdet.'])
def test_one_coco_metric_over_two_datasets_is_refused(make_config, datasets, scope):
    both = dict(type=f'{scope}ConcatDataset', datasets=list(datasets))
    config = make_config('merged', both, [dict(type='InContextMetric'), dict(type=f'{scope}CocoMetric')])
    with pytest.raises(InputError, match='MultiDatasetsEvaluator'):
        check_inputs(config, ['test_dataloader'])


def test_test_time_augmentation_ends_with_a_reason(tool, monkeypatch):
    monkeypatch.setattr('sys.argv', ['test.py', 'configs/focus_tiny_stage1.py', 'none', '--tta'])
    with pytest.raises(InputError, match='no longer fits its supports'):
        tool.main()
