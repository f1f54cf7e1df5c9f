"""Attention loss on the first five layers; the others are not looked at."""

_base_ = '../focus_stage1_tao.py'

custom_hooks = [dict(type='AttentionSupervisionHook', layers='first:5')]
