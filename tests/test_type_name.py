"""Components are known however a project writes their types."""

import mmdet.registry
import pytest
from mmengine import registry
from mmengine.config import Config
from mmengine.registry import DefaultScope, Registry
from mmengine.runner import Runner

from focus_mmdet.apis.export import load_detector
from focus_mmdet.cli import read_config
from focus_mmdet.datasets import EpisodeDataset
from focus_mmdet.engine.launch import check_inputs
from focus_mmdet.errors import InputError
from focus_mmdet.type_name import type_name
from tests.conftest import ROOT

REGISTRIES = [each for each in vars(mmdet.registry).values() if isinstance(each, Registry)]


@pytest.mark.parametrize(
    ('config', 'name'),
    [
        (dict(type='EpisodeDataset'), 'EpisodeDataset'),
        (dict(type='mmdet.EpisodeDataset'), 'EpisodeDataset'),
        (dict(type=EpisodeDataset), 'EpisodeDataset'),
        (dict(), ''),
        (None, ''),
    ],
)
def test_names(config, name):
    assert type_name(config) == name


def prefixed(node):
    """A config whose types of MMDetection say so."""
    if isinstance(node, (list, tuple)):
        return type(node)(prefixed(each) for each in node)
    if not isinstance(node, dict):
        return node
    node = {key: prefixed(value) for key, value in node.items()}
    if any(node.get('type') in each.module_dict for each in REGISTRIES):
        node['type'] = f'mmdet.{node["type"]}'
    return node


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The tiny config in a project that has registries and a scope of its own."""
    monkeypatch.chdir(ROOT)
    for name in (
        'MODELS',
        'DATASETS',
        'TRANSFORMS',
        'METRICS',
        'HOOKS',
        'LOOPS',
        'VISUALIZERS',
        'TASK_UTILS',
    ):
        root = getattr(registry, name)
        monkeypatch.setitem(root.children, 'elsewhere', None)
        del root.children['elsewhere']
        Registry(root.name, parent=root, scope='elsewhere')
    base = Config.fromfile('configs/focus_tiny_stage1.py')
    base.merge_from_dict(
        {
            'default_scope': 'elsewhere',
            'work_dir': str(tmp_path),
            'experiment_name': tmp_path.name,
            'visualizer.name': tmp_path.name,
            'test_dataloader.num_workers': 0,
            'test_dataloader.dataset.indices': 2,
            'log_level': 'ERROR',
        }
    )
    yield Config(prefixed(base.to_dict()))
    DefaultScope.get_instance(f'after-{tmp_path.name}', scope_name='mmdet')


def test_a_project_of_another_scope_runs_our_components(elsewhere):
    assert elsewhere.model.type == 'mmdet.FocusDetector'
    check_inputs(elsewhere, ['test_dataloader'])
    assert Runner.from_cfg(elsewhere).test()['in_context/episodes'] == 2
    load_detector(elsewhere, None)
    assert DefaultScope.get_current_instance().scope_name == 'elsewhere'


def test_what_is_missing_is_named_under_another_scope(elsewhere):
    dataset = elsewhere.test_dataloader.dataset
    dataset.ann_file = 'gone.json'
    with pytest.raises(InputError, match=r'gone\.json: no such annotation file'):
        check_inputs(elsewhere, ['test_dataloader'])
    elsewhere.model.pretrained = 'gone'
    with pytest.raises(InputError, match='gone'):
        check_inputs(elsewhere, [])


def test_data_workers_encode_for_the_model_under_another_scope(tmp_path):
    path = tmp_path / 'config.py'
    collate = "dict(type='mmengine.encode_episodes', pretrained='old')"
    path.write_text(f"model = dict(pretrained='new')\ntest_dataloader = dict(collate_fn={collate})\n")
    assert read_config(str(path)).test_dataloader.collate_fn.pretrained == 'new'
