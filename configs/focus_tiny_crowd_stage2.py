"""Stage 2 on crowds of four, from the weights of their stage 1; without KL, a quarter of them plain."""

_base_ = ['focus_tiny_pairs_stage2.py']

inference_pipeline = _base_.crowd_inference_pipeline
crowd = dict(_base_.crowd, plain=0.25, seed=11)
held_out = dict(crowd, length=256, plain=0.0, target=0, seed=0, test_mode=True)
train_dataloader = dict(dataset=dict(_delete_=True, **crowd))
val_dataloader = dict(dataset=dict(held_out, data_root='data/sprites/val'))
test_dataloader = dict(dataset=dict(held_out, data_root='data/sprites/test'))

max_iters = 200
train_cfg = dict(max_iters=max_iters, val_interval=max_iters, beta=0.0)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=10),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=10, end=max_iters, eta_min=0.0),
]
load_from = 'work_dirs/focus_tiny_crowd_stage1/iter_2500.pth'
