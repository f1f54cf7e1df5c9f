"""Every config that is shipped loads, and says what its name says."""

from pathlib import Path

import mmengine
import pytest
from mmdet.registry import HOOKS
from mmengine.config import Config

from focus_mmdet.models.sizing.published_sizes import PUBLISHED, published_config
from focus_mmdet.models.vlm.families import FAMILIES as FAMILY_CLASSES
from focus_mmdet.models.vlm.families import Qwen2VL
from tests.conftest import ROOT

CONFIGS = sorted(
    path.relative_to(ROOT) for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts
)

MODELS = [
    model
    for metafile in mmengine.load(ROOT / 'model-index.yml')['Import']
    for model in mmengine.load(ROOT / metafile)['Models']
]


def annotation_files(loader):
    parts = loader.dataset.get('datasets', [loader.dataset])
    return {Path(part.data_root, part.ann_file) for part in parts}


def test_the_model_index_names_every_config_once():
    assert sorted(model['Config'] for model in MODELS) == sorted(map(str, CONFIGS))
    assert len({model['Name'] for model in MODELS}) == len(MODELS)


@pytest.mark.parametrize('path', CONFIGS, ids=str)
def test_it_loads_and_its_hooks_can_be_built(path):
    config = Config.fromfile(str(ROOT / path))
    assert (ROOT / path).read_text().startswith('"""'), 'a config says what it is'
    if path.name.startswith('feature_matcher'):
        assert config.model.type == 'FeatureMatcher'
        assert not annotation_files(config.val_dataloader) & annotation_files(config.test_dataloader)
        return
    assert config.model.type == 'FocusDetector'
    assert config.optim_wrapper.constructor == 'TrainableOptimWrapperConstructor'
    for hook in config.get('custom_hooks', []):
        HOOKS.build(hook)
    (model,) = [model for model in MODELS if model['Config'] == str(path)]
    iterations = config.train_cfg.max_iters
    assert model.get('Metadata', {}).get('Iterations', iterations) == iterations


def test_the_7b_configs_are_the_papers():
    first = Config.fromfile(str(ROOT / 'configs/focus_stage1_tao.py'))
    assert first.model.bbox_head.lora == dict(r=8, lora_alpha=16, lora_dropout=0.0)
    assert first.optim_wrapper.optimizer.lr == 2e-4
    assert first.optim_wrapper.clip_grad.max_norm == 0.3
    assert first.train_cfg.effective_batch == 64
    assert first.train_cfg.max_iters * 64 == pytest.approx(6000, rel=0.01)
    assert first.custom_hooks == [
        dict(type='AttentionSupervisionHook', margin=0.025, weight=0.25, layers='all')
    ]
    second = Config.fromfile(str(ROOT / 'configs/focus_stage2_tao.py'))
    assert second.train_cfg.num_generations == 4
    assert second.train_cfg.rewards == [dict(type='IoUReward'), dict(type='FormatReward', weight=0.5)]
    assert second.optim_wrapper.optimizer.lr == 1e-5
    assert second.optim_wrapper.clip_grad.max_norm == 1.0


def test_the_tiny_configs_differ_in_sizes_and_data_alone():
    for stage in (1, 2):
        large = Config.fromfile(str(ROOT / f'configs/focus_stage{stage}.py'))
        tiny = Config.fromfile(str(ROOT / f'configs/focus_tiny_stage{stage}.py'))
        for key in ('type', 'data_preprocessor'):
            assert large.model[key] == tiny.model[key]
        assert large.get('custom_hooks') == tiny.get('custom_hooks')
        assert large.val_evaluator == tiny.val_evaluator
        assert large.train_cfg.keys() == tiny.train_cfg.keys()


RECIPES = {'': ['tao', 'got10k', 'lasot'], '_fsdp': ['tao', 'got10k', 'lasot'], '_tao': ['tao']}


@pytest.mark.parametrize('recipe', RECIPES)
def test_stage_2_goes_on_from_its_stage_1_on_the_same_data(recipe):
    first, second = (
        Config.fromfile(str(ROOT / f'configs/focus_stage{stage}{recipe}.py')) for stage in (1, 2)
    )
    assert second.load_from == f'work_dirs/focus_stage1{recipe}/iter_{first.train_cfg.max_iters}.pth'
    assert first.train_dataloader == second.train_dataloader
    files = [f'configs/_base_/datasets/{name}.py' for name in RECIPES[recipe]]
    alone = [Config.fromfile(str(ROOT / file)).train_dataloader.dataset for file in files]
    if len(alone) == 1:
        assert first.train_dataloader.dataset == alone[0]
        assert first.train_dataloader.sampler.type == 'InfiniteSampler'
    else:
        assert first.train_dataloader.dataset.datasets == alone
        assert list(first.train_dataloader.sampler.weights) == RECIPES[recipe]


FAMILIES = sorted(path.stem for path in (ROOT / 'configs/families').glob('*.py'))


@pytest.mark.parametrize('name', FAMILIES)
def test_a_recipe_of_another_family_is_the_papers_but_for_its_model(name):
    config = Config.fromfile(str(ROOT / f'configs/families/{name}.py'))
    stage = 2 if name.endswith('stage2') else 1
    ours = Config.fromfile(str(ROOT / f'configs/focus_stage{stage}_tao.py'))
    assert config.train_cfg == ours.train_cfg
    assert config.optim_wrapper == ours.optim_wrapper
    assert Path(config.model.pretrained).name in PUBLISHED
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.collate_fn.pretrained == config.model.pretrained
        assert loader.dataset.pipeline == config.train_dataloader.dataset.pipeline
    vlm = published_config(Path(config.model.pretrained).name)
    keeps_shape = issubclass(FAMILY_CLASSES[vlm.model_type], Qwen2VL)
    multiple = vlm.vision_config.patch_size * vlm.vision_config.spatial_merge_size if keeps_shape else 1
    assert config.train_dataloader.dataset.pipeline[0].transforms[-1].multiple == multiple
    if stage == 2:
        assert config.load_from == f'work_dirs/{name.replace("stage2", "stage1")}/iter_94.pth'


@pytest.mark.parametrize('name', ['sft', 'attention_first5', 'vanilla'])
def test_the_papers_ablations_train_on_tao(name):
    ablation = Config.fromfile(str(ROOT / f'configs/ablations/{name}.py'))
    tao = Config.fromfile(str(ROOT / 'configs/focus_stage1_tao.py'))
    assert (ablation.train_dataloader, ablation.train_cfg) == (tao.train_dataloader, tao.train_cfg)


@pytest.mark.parametrize('name', ['tao', 'got10k', 'lasot', 'mot', 'youtube_vis'])
def test_a_dataset_config_trains_and_tests_on_different_files(name):
    config = Config.fromfile(str(ROOT / f'configs/_base_/datasets/{name}.py'))
    parts = [config[f'{part}_dataloader'].dataset for part in ('train', 'val', 'test')]
    files = [part.data_root + part.ann_file for part in parts]
    assert files[0] != files[1]
    assert parts[1] == parts[2]
    assert parts[1].test_mode
    assert [part.pipeline for part in parts] == [config.pipeline] * 3
