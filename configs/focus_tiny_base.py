"""The base of the tiny configs, part one: box the only object of an image.

The counterpart of a pretrained VLM: it has never seen a support. Starts from
random weights; ``focus_tiny_base_frames.py`` goes on from here::

    python tools/build_tiny_vlm.py work_dirs/random-tiny --layers 6
    python tools/train.py configs/focus_tiny_base.py
    python tools/train.py configs/focus_tiny_base_frames.py
    python tools/model_converters/to_huggingface.py configs/focus_tiny_base_frames.py \
        work_dirs/focus_tiny_base_frames/iter_800.pth work_dirs/focus-tiny-base --dtype float16
"""

_base_ = ['focus_tiny_stage1.py']

model = dict(pretrained='work_dirs/random-tiny')
custom_hooks = []

budget = dict(type='ResizeToPixelBudget', max_pixels=4096, multiple=16)
boxes = dict(type='LoadAnnotations', with_bbox=True)
sprite_pipeline = [
    dict(type='RenderSpriteEpisode'),
    dict(type='ForEachFrame', transforms=[boxes, budget]),
    dict(type='PackEpisodeInputs'),
]
alone = dict(
    type='SpriteEpisodeDataset',
    data_root='data/sprites/train',
    length=60000,
    shots=0,
    distractors=0,
    look_alikes=0,
    size=(64, 64),
    scale=(0.25, 0.8),
    pipeline=sprite_pipeline,
)
train_dataloader = dict(
    batch_size=32,
    dataset=dict(_delete_=True, **alone),
)
lone_test = dict(alone, data_root='data/sprites/test', length=256, test_mode=True)
val_dataloader = dict(dataset=dict(_delete_=True, **lone_test))
test_dataloader = val_dataloader

max_iters = 1600
train_cfg = dict(max_iters=max_iters, val_interval=800, effective_batch=32)
optim_wrapper = dict(optimizer=dict(lr=1.5e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=max_iters, eta_min=0.0),
]
default_hooks = dict(checkpoint=dict(interval=400))
auto_scale_lr = dict(base_batch_size=32)
