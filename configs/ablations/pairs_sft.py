"""Plain fine-tuning on the scenes of two, as long as with the attention losses."""

_base_ = '../focus_tiny_pairs_stage1.py'

custom_hooks = []
