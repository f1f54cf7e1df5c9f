"""Stage 1 on the embedded model: the 7B config with other sizes."""

_base_ = [
    '_base_/models/focus_tiny.py',
    '_base_/datasets/tiny.py',
    '_base_/schedules/stage1.py',
    '_base_/default_runtime.py',
]

# A base this small has little to keep: everything trains, the vision tower included.
model = dict(bbox_head=dict(freeze_vision=False))

max_iters = 800
train_cfg = dict(max_iters=max_iters, val_interval=max_iters, effective_batch=16)
optim_wrapper = dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=0.0),
]
auto_scale_lr = dict(base_batch_size=16)
default_hooks = dict(checkpoint=dict(interval=200))
