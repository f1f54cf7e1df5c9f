"""Stage 2 on the scenes of two, from the weights of their stage 1."""

_base_ = [
    '_base_/models/focus_tiny.py',
    '_base_/datasets/pairs.py',
    '_base_/schedules/stage2.py',
    '_base_/default_runtime.py',
]

max_iters = 100
train_cfg = dict(
    max_iters=max_iters,
    val_interval=max_iters,
    num_generations=8,
    max_completion_length=40,
    effective_batch=8,
)
train_dataloader = dict(batch_size=8, dataset=dict(seed=1))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=5),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=5, end=max_iters, eta_min=0.0),
]
auto_scale_lr = dict(base_batch_size=8)
default_hooks = dict(checkpoint=dict(interval=50))
load_from = 'work_dirs/focus_tiny_pairs_stage1/iter_2400.pth'
