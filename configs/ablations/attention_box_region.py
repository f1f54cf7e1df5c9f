"""Attention to the visual tokens inside the support boxes instead of the boxes' text."""

_base_ = '../focus_stage1_tao.py'

custom_hooks = [dict(type='AttentionSupervisionHook', columns='box_region')]
