"""Attention of the answer's tokens to the boxes' text: a term of weight 0 in the release."""

_base_ = '../focus_stage1_tao.py'

custom_hooks = [dict(type='AttentionSupervisionHook', rows='answer')]
