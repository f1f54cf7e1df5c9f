"""Features of MobileNetV2, matched without training, on crops of the shipped photographs.

Level, size and threshold were chosen on the training objects, which serve as validation here. So was the
calibration, on whole photographs, half of which lack the object:

focus calibrate configs/feature_matcher_presence.py none --threshold 0 --prior 0.1
"""

_base_ = ['_base_/datasets/tiny.py', '_base_/default_runtime.py']

model = dict(
    type='FeatureMatcher',
    # torchvision's features[14]: 160 channels at stride 32.
    backbone=dict(type='VisionBackbone', pretrained='checkpoints/focus-small', level=12),
    size=320,
    threshold=0.65,
    score_calibration=(7.3345, 1.5176),
)

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
