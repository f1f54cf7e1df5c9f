"""Stage 1 of the quick start: the small model's, in minutes."""

_base_ = [
    '../_base_/models/focus_small.py',
    '../_base_/datasets/quickstart.py',
    '../_base_/schedules/small_stage1.py',
    '../_base_/default_runtime.py',
]

model = dict(pretrained='checkpoints/focus-small-base')

max_iters = 200
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=20, end=max_iters, eta_min=0.0),
]
default_hooks = dict(checkpoint=dict(interval=100))
