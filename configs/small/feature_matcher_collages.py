"""Features without training, by the small model's eyes, on the test of focus_small_collages.py."""

_base_ = ['../feature_matcher_large_collages.py']

test_dataloader = dict(dataset=dict(data_root='work_dirs/collages/test/'))
