"""A value of a wrong type is named before anything is built."""

import pytest
from mmdet.registry import HOOKS
from mmengine.hooks import Hook

from focus_mmdet.cli import read_config
from focus_mmdet.config_types import check_types
from focus_mmdet.engine.hooks import AttentionSupervisionHook
from focus_mmdet.errors import InputError
from tests.conftest import ROOT

SMALL = str(ROOT / 'configs/small/focus_small.py')


@pytest.mark.parametrize(
    ('key', 'value', 'asked'),
    [
        ('model.bbox_head.gradient_checkpointing', 'no', 'bool'),
        ('model.bbox_head.grammar', 1, 'bool'),
        ('model.bbox_head.lora', 'r8', r'dict\[str, Any\] \| None'),
        ('model.data_preprocessor.may_be_absent', 'perhaps', 'bool'),
        ('default_hooks.visualization.max_pictures', 'two', 'int'),
        ('custom_hooks', [dict(type='mmdet.AttentionSupervisionHook', layers=99)], r'str \| Sequence\[int\]'),
        ('model.bbox_head.score_calibration', [1.0, 'x'], r'tuple\[float, float\]'),
    ],
)
def test_a_value_of_another_type_is_named_with_its_place(key, value, asked):
    with pytest.raises(InputError, match=rf'{key}.*: give {asked}$'):
        read_config(SMALL, {key: value})


def test_lists_are_taken_for_tuples_and_whole_numbers_for_others():
    config = read_config(
        SMALL, {'model.bbox_head.score_calibration': [1, 2], 'model.bbox_head.temperature': 0}
    )
    assert config.model.bbox_head.score_calibration == [1, 2]


def test_a_hook_of_ones_own_is_ones_own(monkeypatch):
    class Mine(AttentionSupervisionHook):
        """Takes what its base does."""

    class Other(Hook):
        def __init__(self, anything: int) -> None:
            pass

    monkeypatch.setitem(HOOKS._module_dict, 'Mine', Mine)
    monkeypatch.setitem(HOOKS._module_dict, 'Other', Other)
    config = read_config(SMALL)
    config.custom_hooks = [dict(type='Other', anything='x')]
    check_types(config)
    config.custom_hooks = [dict(type='Mine', margin='x')]
    with pytest.raises(InputError, match=r'custom_hooks\.0\.margin'):
        check_types(config)
