"""Second part of stage 1: which of several objects is meant.

An object is chosen before its first coordinate is written. So the tokens of the answer's opening are
supervised here: those behind it read from the coordinates where the object lies. Most episodes are of
several objects, few are of the ten photographed ones, and a quarter of the queries lack the object.
"""

_base_ = ['focus_small_stage1.py']

load_from = 'work_dirs/focus_small_stage1/iter_1600.pth'

train_dataloader = dict(
    sampler=dict(weights=_base_.shares),
    dataset=dict(
        datasets=[
            dict(part, episodes=dict(part['episodes'], negatives=0.25))
            for part in _base_.train_dataloader.dataset.datasets
        ]
    ),
)
custom_hooks = [
    dict(hook, rows='answer_opening') if hook['name'] == 'query' else hook for hook in _base_.custom_hooks
]

max_iters = 1800
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=2e-5),
]
