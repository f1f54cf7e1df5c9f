"""Stage 1 goes on to crowds of four, two of them the target's drawing in other colours."""

_base_ = ['focus_tiny_pairs_stage1.py']

inference_pipeline = _base_.crowd_inference_pipeline
crowd = dict(_base_.crowd, seed=4)
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
