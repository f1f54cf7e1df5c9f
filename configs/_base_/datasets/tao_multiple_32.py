"""TAO for VLMs that merge patches of 16 pixels by two, as Qwen3-VL."""

_base_ = 'tao.py'

budget = dict(type='ResizeToPixelBudget', max_pixels=276480, multiple=32)  # 0.3 x 1280 x 720

pipeline = [
    dict(
        type='ForEachFrame',
        transforms=[dict(type='LoadFrame'), dict(type='LoadAnnotations', with_bbox=True), budget],
    ),
    dict(type='PackEpisodeInputs'),
]
inference_pipeline = [
    dict(type='ForEachFrame', transforms=[dict(type='LoadAnnotations', with_bbox=True), budget]),
    dict(type='PackEpisodeInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
