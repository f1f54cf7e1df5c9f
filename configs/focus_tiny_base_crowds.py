"""Third part of the tiny base, for crowds: box some object of several.

Any object of a scene is the answer, mostly without supports, in some prompts with
the supports of another episode: nothing ties a support to the answer still. Goes on
from the embedded base. The configs on pairs and crowds start without it.
"""

_base_ = ['focus_tiny_base_frames.py']

model = dict(pretrained='checkpoints/focus-tiny-base')
large = dict(_base_.budget, max_pixels=9216)
pair = dict(_base_.alone, distractors=1, target='any', plain=0.5, scale=(0.25, 0.45), seed=11)
crowd = dict(
    pair,
    look_alikes=1,
    same_colours=1,
    size=(96, 96),
    scale=(0.2, 0.4),
    seed=12,
    pipeline=[
        dict(type='RenderSpriteEpisode'),
        dict(type='ForEachFrame', transforms=[_base_.boxes, large]),
        dict(type='PackEpisodeInputs'),
    ],
)
shown = dict(crowd, shots=1, seed=13)
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            _base_.alone,
            _base_.lone_query,
            pair,
            dict(type='RepeatDataset', times=2, dataset=crowd),
            dict(type='ShuffledSupports', dataset=shown),
        ],
    ),
)
held_out = dict(shown, target=0, plain=0.0, length=256, seed=0, test_mode=True)
val_dataloader = dict(dataset=dict(held_out, _delete_=True, data_root='data/sprites/val'))
test_dataloader = dict(dataset=dict(held_out, _delete_=True, data_root='data/sprites/test'))

max_iters = 3600
train_cfg = dict(max_iters=max_iters, val_interval=600)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='MuonWithAdamW', lr=2e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=0.0),
]
default_hooks = dict(checkpoint=dict(interval=600))
auto_scale_lr = dict(base_batch_size=16)
load_from = None
