"""Plain fine-tuning goes on to look-alikes of both kinds, as long as with the attention losses."""

_base_ = '../focus_tiny_look_alikes_stage1.py'

custom_hooks = []
load_from = 'work_dirs/shapes_sft/iter_2400.pth'
