"""Stage 1 as in the paper: margin 0.025, weight 0.25, all layers."""

_base_ = '../focus_stage1.py'
