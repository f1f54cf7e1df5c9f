"""A margin in units of 1 / n+, which can be met at any number of shots."""

_base_ = '../focus_stage1_tao.py'

custom_hooks = [dict(type='AttentionSupervisionHook', form='relative', margin=0.5)]
