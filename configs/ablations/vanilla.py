"""The pretrained model as it is: tools/test.py configs/ablations/vanilla.py none."""

_base_ = '../focus_stage1_tao.py'
