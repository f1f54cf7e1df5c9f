"""Stage 1 goes on to crowds of four, two of them the target's drawing in other colours.

Half of the crowds are plain. In training any of the four is asked for: were it always the
first, a model could learn that it is the one that resembles two others. Scenes are 96 x 96
pixels: in 16 visual tokens four objects overlap.
"""

_base_ = ['focus_tiny_pairs_stage1.py']

pipeline = [
    dict(type='RenderSpriteEpisode'),
    dict(
        type='ForEachFrame',
        transforms=[
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='ResizeToPixelBudget', max_pixels=9216, multiple=16),
        ],
    ),
    dict(type='PackEpisodeInputs'),
]
crowd = dict(
    _base_.train_pairs,
    look_alikes=2,
    plain=0.5,
    target='any',
    size=(96, 96),
    scale=(0.2, 0.4),
    seed=4,
    pipeline=pipeline,
)
unlike = dict(crowd, look_alikes=0, distractors=3, seed=7)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[unlike, dict(type='RepeatDataset', times=2, dataset=crowd)],
    )
)
held_out = dict(crowd, length=256, plain=0.0, target=0, seed=0, test_mode=True)
val_dataloader = dict(dataset=dict(held_out, data_root='data/sprites/val'))
test_dataloader = dict(dataset=dict(held_out, data_root='data/sprites/test'))

max_iters = 3000
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=1e-4),
]
optim_wrapper = dict(optimizer=dict(lr=1.5e-3))
load_from = 'work_dirs/focus_tiny_pairs_stage1/iter_2400.pth'
