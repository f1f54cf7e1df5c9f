"""Second part of the tiny base: prompts with supports, whose boxes it learns to read.

Two thirds of the episodes carry a crowd as support, whose box says nothing
about the query: the model gets used to prompts of several frames, its
attention finds what a box in the text stands for, and nothing ties a support
to the answer. Continues from ``focus_tiny_base.py``.
"""

_base_ = ['focus_tiny_base.py']

crowd = dict(_base_.alone, shots=1, distractors=2, look_alikes=0, scale=(0.25, 0.45), seed=2)
lone_query = dict(type='ShuffledSupports', dataset=_base_.alone, supports=crowd)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[_base_.alone, dict(type='RepeatDataset', times=2, dataset=lone_query)],
    )
)
custom_hooks = [
    dict(
        type='AttentionSupervisionHook',
        name='reading',
        rows='box_end',
        columns='box_region',
        layers=[1],
        heads=[0, 1],
        form='log',
        margin=0.9,
        weight=0.5,
    )
]

max_iters = 800
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=30, end=max_iters, eta_min=0.0),
]
default_hooks = dict(checkpoint=dict(interval=200))
load_from = 'work_dirs/focus_tiny_base/iter_1600.pth'
