"""Second part of the quick start's base: wider crops, in which other objects stand beside the boxed one."""

_base_ = ['focus_small_base.py']

load_from = 'work_dirs/focus_small_base/iter_700.pth'

wide = dict(type='CropAroundBox', scale=(1.2, 8.0), seed=1)
wide_pipeline = [
    dict(type='ForEachFrame', transforms=[dict(type='LoadFrame'), wide, _base_.boxes]),
    dict(type='PackEpisodeInputs'),
]
train_dataloader = dict(
    dataset=dict(
        datasets=[dict(part, pipeline=wide_pipeline) for part in _base_.train_dataloader.dataset.datasets]
    )
)

max_iters = 600
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=20, end=max_iters, eta_min=3e-4),
]
