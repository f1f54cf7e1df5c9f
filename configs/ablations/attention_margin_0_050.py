"""Margin (mu) 0.05 in place of 0.025."""

_base_ = '../focus_stage1_tao.py'

custom_hooks = [dict(type='AttentionSupervisionHook', margin=0.05)]
