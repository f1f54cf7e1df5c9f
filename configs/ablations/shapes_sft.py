"""Plain fine-tuning goes on from colours to shapes, as long as with the attention losses."""

_base_ = '../focus_tiny_shapes_stage1.py'

custom_hooks = []
load_from = 'work_dirs/pairs_sft/iter_2400.pth'
