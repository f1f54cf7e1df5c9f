"""The small model that is shipped, ready to find things."""

_base_ = [
    '../_base_/models/focus_small_trained.py',
    '../_base_/datasets/collages.py',
    '../_base_/schedules/small_stage2.py',
    '../_base_/default_runtime.py',
]

# Nothing is trained from it, so no features of training images are kept.
model = dict(bbox_head=dict(feature_cache=0.0))
