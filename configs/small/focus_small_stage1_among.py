"""Second half of stage 1: which of several objects is meant.

An object is chosen before its first coordinate is written. So the tokens of the answer's opening are
supervised here: those behind it read from the coordinates where the object lies. Most episodes are of
several objects, few are of the ten photographed ones, and a quarter of the queries lack the object.
"""

_base_ = ['focus_small_stage1.py']

load_from = 'work_dirs/focus_small_stage1/iter_1600.pth'

negatives = 0.25
crops = dict(_base_.crops, episodes=dict(_base_.crops.episodes, negatives=negatives))
collages = [_base_.lone_photographed, _base_.lone_pasted, _base_.many_photographed, _base_.many_pasted]
train_dataloader = dict(
    sampler=dict(
        weights=dict(
            crops=0.06, lone_photographed=0.04, lone_pasted=0.2, many_photographed=0.1, many_pasted=0.6
        )
    ),
    dataset=dict(
        datasets=[
            crops,
            *[dict(part, episodes=dict(part.episodes, negatives=negatives)) for part in collages],
        ]
    ),
)

attention = dict(type='AttentionSupervisionHook', form='log', margin=0.9)
custom_hooks = [
    dict(
        attention, name='reading', rows='box_end', columns='box_region', layers=[1], heads=[0, 1], weight=2.0
    ),
    dict(attention, name='support', rows='answer', columns='box_end', layers=[2], heads=[0, 1], weight=0.5),
    dict(
        attention,
        name='query',
        rows='answer_opening',
        columns='query_region',
        layers=[3],
        heads=[0, 1],
        weight=1.0,
    ),
    dict(attention, name='edges', rows='coordinate', columns='query_edge', layers=[4], weight=0.5),
]

max_iters = 1800
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=2e-5),
]
