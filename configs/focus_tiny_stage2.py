"""Stage 2 on the embedded model, from the weights of its stage 1."""

_base_ = [
    '_base_/models/focus_tiny.py',
    '_base_/datasets/tiny.py',
    '_base_/schedules/stage2.py',
    '_base_/default_runtime.py',
]

max_iters = 200
train_cfg = dict(max_iters=max_iters, val_interval=max_iters, max_completion_length=40, effective_batch=4)
train_dataloader = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=10),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=10, end=max_iters, eta_min=0.0),
]
auto_scale_lr = dict(base_batch_size=4)
default_hooks = dict(checkpoint=dict(interval=50))
load_from = 'work_dirs/focus_tiny_stage1/iter_800.pth'
