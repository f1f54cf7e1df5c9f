"""Options that would change nothing are refused, with the keys that do it."""

import re

import pytest
from mmengine.config import Config

from focus_mmdet.cli import read_config
from focus_mmdet.config_options import READ
from focus_mmdet.errors import InputError
from tests.conftest import ROOT

STAGE1 = str(ROOT / 'configs/focus_tiny_stage1.py')
PHOTOS = 'train_dataloader.dataset.datasets.0.dataset'


@pytest.mark.parametrize(
    ('key', 'told'),
    [
        ('max_iters', ['a variable of the config', 'train_cfg.max_iters', 'param_scheduler.1.end']),
        ('lr', ['no code reads it', 'optim_wrapper.optimizer.lr']),
        ('batch_size', ['train_dataloader.batch_size', 'test_dataloader.batch_size']),
        (
            'budget.max_pixels',
            [f'{PHOTOS}.pipeline.0.transforms.3.max_pixels', 'inference_pipeline.0.transforms.1.max_pixels'],
        ),
        ('train_photos.ann_file', [f'{PHOTOS}.ann_file']),
        ('vis_backends.0.type', ['visualizer.vis_backends.0.type']),
        ('data_preprocessor.max_tokens', ['Set model.data_preprocessor.max_tokens']),
        ('trian_cfg.max_iters', ["did you mean 'train_cfg"]),
        ('launcher', ['give the flag --launcher']),
        ('nonsense', ['no code reads it']),
        ('env_cfg.cudnn_benchmrk', ['cudnn_benchmark']),
        ('train_cfg', ['is a dict', 'train_cfg.max_iters']),
        ('custom_hooks.5.margin', ['does not go with']),
    ],
)
def test_an_option_without_effect_is_refused(key, told):
    with pytest.raises(InputError) as error:
        read_config(STAGE1, {key: 3})
    message = str(error.value)
    assert message.startswith(f'--cfg-options {key}')
    assert all(re.search(rf'{re.escape(part)}\b', message) for part in told), message


def test_options_that_are_read_change_the_config():
    options = {
        'train_cfg.max_iters': 3,
        'model.bbox_head.lora': dict(_delete_=True, r=8),
        'load_from': None,
        'model_wrapper_cfg.type': 'FullyShardedModel',
        'auto_scale_lr.enable': True,
    }
    config = read_config(STAGE1, options)
    assert config.train_cfg.max_iters == 3
    assert config.model.bbox_head.lora.r == 8
    assert config.model_wrapper_cfg.type == 'FullyShardedModel'


def test_every_runner_key_of_our_configs_may_be_set():
    """What is no variable of a config is known to be read."""
    for path in ('focus_stage1_fsdp.py', 'focus_stage2.py'):
        config = Config.fromfile(str(ROOT / 'configs' / path))
        variables = {'tao', 'tao_train', 'elsewhere', 'budget', 'pipeline', 'max_iters', 'warmup', 'encode'}
        assert set(config) - variables - READ == {'custom_imports', 'vis_backends'}
