"""First part of stage 1 on the small model, from a decoder that has practised reading boxes.

Every step to the answer is supervised: the end of a support's box attends to what the box holds; the
answer attends to the end of the box, to the query's object, and each of its coordinates to the edge that
it names. The paper's loss alone teaches a model of this size little (docs/ablation.md). docs/small_model.md
has the commands, from this part to the shipped model.
"""

_base_ = [
    '../_base_/models/focus_small.py',
    '../_base_/datasets/collages.py',
    '../_base_/schedules/stage1.py',
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

attention = dict(type='AttentionSupervisionHook', form='log', margin=0.9, weight=1.0)
custom_hooks = [
    dict(
        attention, name='reading', rows='box_end', columns='box_region', layers=[1], heads=[0, 1], weight=2.0
    ),
    dict(attention, name='support', rows='answer', columns='box_end', layers=[2], heads=[0, 1], weight=0.5),
    dict(attention, name='query', rows='answer', columns='query_region', layers=[3], heads=[0, 1]),
    dict(attention, name='edges', rows='coordinate', columns='query_edge', layers=[4], weight=0.5),
]

max_iters = 1600
train_cfg = dict(max_iters=max_iters, val_interval=max_iters, effective_batch=16)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='MuonWithAdamW', lr=5e-3),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=2e-5),
]
auto_scale_lr = dict(base_batch_size=16)
default_hooks = dict(checkpoint=dict(interval=200))
