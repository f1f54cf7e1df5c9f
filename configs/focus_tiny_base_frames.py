"""Second part of the tiny base: prompts with supports, which say nothing yet.

Half of the episodes carry the support of another one, so the model gets used
to prompts of several frames and to boxing the query's object, and has no
reason to look at a support. Continues from ``focus_tiny_base.py``.
"""

_base_ = ['focus_tiny_base.py']

framed = dict(
    type='SpriteEpisodeDataset',
    data_root='data/sprites/train',
    length=60000,
    shots=1,
    distractors=0,
    look_alikes=0,
    size=(64, 64),
    scale=(0.25, 0.8),
    seed=2,
    pipeline={{_base_.sprite_pipeline}},
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[{{_base_.alone}}, dict(type='ShuffledSupports', dataset=framed)],
    )
)

max_iters = 600
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=30, end=max_iters, eta_min=0.0),
]
default_hooks = dict(checkpoint=dict(interval=200))
load_from = 'work_dirs/focus_tiny_base/iter_1600.pth'
