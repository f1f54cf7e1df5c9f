"""Stage 2 on the small model, after the second part of its stage 1.

The shipped model is the average of two: this one, and one after the third part (docs/small_model.md).
"""

_base_ = [
    '../_base_/models/focus_small.py',
    '../_base_/datasets/collages.py',
    '../_base_/schedules/small_stage2.py',
    '../_base_/default_runtime.py',
]

max_iters = 120
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
train_dataloader = dict(batch_size=8, batch_sampler=dict(type='ShotGroupedBatchSampler'))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=10),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=10, end=max_iters, eta_min=0.0),
]
default_hooks = dict(checkpoint=dict(interval=60))
load_from = 'work_dirs/focus_small_stage1_among/iter_1800.pth'
