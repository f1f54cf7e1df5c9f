"""Attention to all visual tokens of the supports: a term of weight 0 in the release."""

_base_ = '../focus_stage1_tao.py'

custom_hooks = [dict(type='AttentionSupervisionHook', columns='support_image')]
