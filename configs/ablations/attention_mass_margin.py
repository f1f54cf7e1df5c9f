"""A margin on the attention mass itself."""

_base_ = '../focus_stage1_tao.py'

custom_hooks = [dict(type='AttentionSupervisionHook', form='mass', margin=0.5)]
