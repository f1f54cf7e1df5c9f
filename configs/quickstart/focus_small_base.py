"""The base that the quick start trains from: it has compared crops of one picture, never two of an object.

python tools/build_small_vlm.py work_dirs/random-small --eyes checkpoints/focus-small \
    --pictures work_dirs/quickstart/collages/train/pictures
python tools/train.py configs/quickstart/focus_small_base.py
python tools/train.py configs/quickstart/focus_small_base_wide.py
python tools/model_converters/to_huggingface.py configs/quickstart/focus_small_base.py \
    work_dirs/focus_small_base_wide/iter_600.pth work_dirs/focus-small-base --dtype float16
"""

_base_ = ['quickstart_stage1.py']

model = dict(pretrained='work_dirs/random-small')

views = dict(
    _base_.train_parts,
    episodes=dict(type='SameImageEpisodes', shots=1, per_track=40, negatives=0.15),
    pipeline=[
        dict(
            type='ForEachFrame',
            transforms=[
                dict(type='LoadFrame'),
                dict(type='CropAroundBox', scale=(1.2, 4.0)),
                _base_.boxes,
            ],
        ),
        dict(type='PackEpisodeInputs'),
    ],
)
train_dataloader = dict(
    sampler=dict(weights=dict(crops=0.1, photographed=0.25, pasted=0.65)),
    dataset=dict(
        datasets=[
            dict(views, data_root=_base_.photos, ann_file='fit.json'),
            dict(views, data_root=_base_.pictures + 'train/', ann_file='photographed.json'),
            dict(views, data_root=_base_.pictures + 'train/', ann_file='pasted.json'),
        ]
    ),
)

max_iters = 700
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=5e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=20, end=max_iters, eta_min=3e-4),
]
