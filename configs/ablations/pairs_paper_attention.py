"""The paper's attention loss alone on the scenes of two: query image to the text of the support's box."""

_base_ = '../focus_tiny_pairs_stage1.py'

custom_hooks = [dict(type='AttentionSupervisionHook', margin=0.025, weight=0.25, layers='all')]
