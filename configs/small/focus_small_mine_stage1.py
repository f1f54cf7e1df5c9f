"""Stage 1 from the shipped small model, on objects of your own (README.md, "Your own data")."""

_base_ = [
    '../_base_/models/focus_small_trained.py',
    '../_base_/datasets/folder_small.py',
    '../_base_/schedules/small_stage1.py',
    '../_base_/default_runtime.py',
]

max_iters = 100
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=3e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=10),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=10, end=max_iters, eta_min=0.0),
]
default_hooks = dict(checkpoint=dict(interval=50))
