"""Features of MobileNetV2, matched without training, on crops of the shipped photographs."""

_base_ = [
    '_base_/models/feature_matcher_mobilenet_v2.py',
    '_base_/datasets/tiny.py',
    '_base_/default_runtime.py',
]

pipeline = [
    dict(
        type='ForEachFrame',
        transforms=[dict(type='LoadFrame'), dict(type='CropAroundBox', scale=(1.5, 3.5)), _base_.boxes],
    ),
    dict(type='PackEpisodeInputs'),
]
inference_pipeline = [
    dict(type='ForEachFrame', transforms=[_base_.boxes]),
    dict(type='PackEpisodeInputs'),
]
train_dataloader = None
val_dataloader = dict(dataset=dict(ann_file='train.json', pipeline=pipeline))
test_dataloader = dict(dataset=dict(pipeline=pipeline))
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

val_evaluator = [
    dict(type='InContextMetric', by=['shots', 'gap', 'size', 'look_alikes']),
    dict(type='CocoMetric', metric='bbox'),
]
test_evaluator = val_evaluator
