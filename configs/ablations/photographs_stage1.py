"""Each step to the answer supervised, on photographs, from a base that has only practised reading boxes.

bash tools/quickstart.sh    # makes the pictures
python tools/build_small_vlm.py work_dirs/random-small --eyes checkpoints/focus-small \
    --pictures work_dirs/quickstart/collages/train/pictures
"""

_base_ = '../quickstart/quickstart_stage1.py'

model = dict(pretrained='work_dirs/random-small')

parts = _base_.train_dataloader.dataset.datasets
one_shot = [dict(part, episodes=dict(part.episodes, shots=1)) for part in parts]
train_dataloader = dict(dataset=dict(datasets=one_shot))

max_iters = 300
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=5e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=20, end=max_iters, eta_min=0.0),
]
