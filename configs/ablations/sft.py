"""Stage 1 without the attention loss."""

_base_ = '../focus_stage1_tao.py'

custom_hooks = []
