"""Stage 1 ends with more lone objects and crops of photographs, so that extents are not forgotten.

python tools/train.py configs/small/focus_small_stage1_end.py   # after focus_small_stage1_among.py
"""

_base_ = ['focus_small_stage1_among.py']

load_from = 'work_dirs/focus_small_stage1_among/iter_1800.pth'

train_dataloader = dict(
    sampler=dict(
        weights=dict(
            crops=0.2, lone_photographed=0.08, lone_pasted=0.25, many_photographed=0.12, many_pasted=0.35
        )
    )
)

max_iters = 350
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=20, end=max_iters, eta_min=2e-5),
]
