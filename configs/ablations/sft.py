"""Stage 1 without the attention loss."""

_base_ = 'focus_stage1_tao_only.py'

custom_hooks = []
