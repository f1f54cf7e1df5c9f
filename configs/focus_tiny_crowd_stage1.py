"""Stage 1 goes on from two silhouettes to drawings as they are, and to crowds of four.

A crowd holds the target, the same drawing in other colours, another drawing in
the target's colours, and an unrelated one. Half of the crowds are plain. In
training any of the four is asked for: were it always the first, a model could
learn that it is the one that resembles two others.
"""

_base_ = ['focus_tiny_pairs_stage1.py']

pairs = dict(_base_.train_pairs, seed=2)
drawings = dict(pairs, plain=0.0, seed=3)
crowd = dict(pairs, look_alikes=1, same_colours=1, plain=0.5, target='any', scale=(0.2, 0.45), seed=4)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            pairs,
            dict(type='RepeatDataset', times=2, dataset=drawings),
            dict(type='RepeatDataset', times=2, dataset=crowd),
        ],
    )
)
held_out = dict(crowd, length=256, plain=0.0, target=0, seed=0, test_mode=True)
val_dataloader = dict(dataset=dict(held_out, data_root='data/sprites/val'))
test_dataloader = dict(dataset=dict(held_out, data_root='data/sprites/test'))

max_iters = 1600
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=1e-4),
]
optim_wrapper = dict(optimizer=dict(lr=1e-3))
load_from = 'work_dirs/focus_tiny_pairs_stage1/iter_2400.pth'
