"""First part of stage 1 on the small model, from a decoder that has practised reading boxes.

docs/small_model.md has the commands, from this part to the shipped model.
"""

_base_ = [
    '../_base_/models/focus_small.py',
    '../_base_/datasets/collages.py',
    '../_base_/schedules/small_stage1.py',
    '../_base_/default_runtime.py',
]

train_dataloader = dict(
    batch_size=16,
    batch_sampler=dict(type='ShotGroupedBatchSampler'),
    sampler=dict(
        weights=dict(
            crops=0.1, lone_photographed=0.12, lone_pasted=0.23, many_photographed=0.2, many_pasted=0.35
        )
    ),
)

max_iters = 1600
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=2e-5),
]
default_hooks = dict(checkpoint=dict(interval=200))
