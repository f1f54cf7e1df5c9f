"""Attention loss on the last five layers."""

_base_ = '../focus_stage1_tao.py'

custom_hooks = [dict(type='AttentionSupervisionHook', layers='last:5')]
