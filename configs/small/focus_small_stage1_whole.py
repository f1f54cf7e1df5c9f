"""Third part of stage 1: the whole of an object, whose parts look unlike and move.

What is cut out of one photograph looks alike in all of its collages, and most of it has one look. Here
objects bend and are lit from a side, and many are two glued together, of which half is no answer.
"""

_base_ = ['focus_small_stage1_among.py']

load_from = 'work_dirs/focus_small_stage1_among/iter_1800.pth'

bent_photographed = dict(
    _base_.many_photographed,
    data_root='work_dirs/collages/bent/',
    episodes=dict(_base_.many_photographed.episodes, negatives=0.25),
)
bent_pasted = dict(bent_photographed, ann_file='pasted.json')
glued = dict(bent_pasted, data_root='work_dirs/collages/glued/')
train_dataloader = dict(
    sampler=dict(
        weights=dict(
            _delete_=True,
            crops=0.08,
            lone_photographed=0.03,
            lone_pasted=0.09,
            many_photographed=0.05,
            many_pasted=0.35,
            bent_photographed=0.06,
            bent_pasted=0.16,
            glued=0.18,
        )
    ),
    dataset=dict(datasets=[*_base_.train_dataloader.dataset.datasets, bent_photographed, bent_pasted, glued]),
)

max_iters = 1500
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=2e-5),
]
