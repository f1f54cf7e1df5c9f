"""Plain fine-tuning goes on to crowds of four, as long as with the attention losses."""

_base_ = '../focus_tiny_crowd_stage1.py'

custom_hooks = []
load_from = 'work_dirs/shapes_sft/iter_2400.pth'
