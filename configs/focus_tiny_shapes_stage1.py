"""Stage 1 goes on from colours to shapes: which of two silhouettes of one colour?

What two plain colours teach is to match colours. Here the two objects share them,
and only the outline tells which one the support shows.
"""

_base_ = ['focus_tiny_pairs_stage1.py']

pairs = dict(_base_.train_pairs, seed=2)
shapes = dict(pairs, distractors=0, same_colours=1, target='any', scale=(0.3, 0.5), seed=5)
drawings = dict(shapes, plain=0.0, seed=6)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[pairs, drawings, dict(type='RepeatDataset', times=3, dataset=shapes)],
    )
)
held_out = dict(shapes, length=256, seed=0, test_mode=True)
val_dataloader = dict(dataset=dict(held_out, data_root='data/sprites/val'))
test_dataloader = dict(dataset=dict(held_out, data_root='data/sprites/test'))

# The next stage goes on from here, so the learning rate need not end.
max_iters = 2400
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=4000, eta_min=1e-4),
]
load_from = 'work_dirs/focus_tiny_pairs_stage1/iter_2400.pth'
