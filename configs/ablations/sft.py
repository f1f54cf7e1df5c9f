"""Stage 1 without the attention loss."""

_base_ = '../focus_stage1.py'

custom_hooks = []
