"""Stage 2 after ``focus_small_mine_stage1.py``."""

_base_ = [
    '../_base_/models/focus_small_trained.py',
    '../_base_/datasets/folder_small.py',
    '../_base_/schedules/small_stage2.py',
    '../_base_/default_runtime.py',
]

max_iters = 50
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
train_dataloader = dict(batch_size=8)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=5),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=5, end=max_iters, eta_min=0.0),
]
default_hooks = dict(checkpoint=dict(interval=50))
load_from = 'work_dirs/focus_small_mine_stage1/iter_100.pth'
