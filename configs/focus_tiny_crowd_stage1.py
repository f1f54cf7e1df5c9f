"""Stage 1 goes on to crowds of four.

Most hold the target, the same drawing in other colours, another drawing in the
target's colours, and an unrelated one, so that neither colours nor shape tell it alone.
"""

_base_ = ['focus_tiny_pairs_stage1.py']

inference_pipeline = _base_.crowd_inference_pipeline
crowd = dict(_base_.crowd, seed=4)
recoloured = dict(crowd, look_alikes=2, same_colours=0, seed=7)
shapes = dict(crowd, look_alikes=0, distractors=0, scale=(0.25, 0.45), seed=8)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[shapes, recoloured, dict(type='RepeatDataset', times=2, dataset=crowd)],
    )
)
held_out = dict(crowd, length=256, plain=0.0, target=0, seed=0, test_mode=True)
val_dataloader = dict(dataset=dict(held_out, data_root='data/sprites/val'))
test_dataloader = dict(dataset=dict(held_out, data_root='data/sprites/test'))

max_iters = 2500
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=1e-4),
]
optim_wrapper = dict(optimizer=dict(lr=1.5e-3))
load_from = 'work_dirs/focus_tiny_shapes_stage1/iter_2400.pth'
