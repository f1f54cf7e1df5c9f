"""Weight (beta) 0.3 in place of 0.25: the paper's grid."""

_base_ = '../focus_stage1_tao.py'

custom_hooks = [dict(type='AttentionSupervisionHook', weight=0.3)]
