"""The small model after both stages, ready to find things."""

_base_ = ['focus_small_stage2.py']

model = dict(pretrained='checkpoints/focus-small', bbox_head=dict(feature_cache=0.0))
load_from = None
