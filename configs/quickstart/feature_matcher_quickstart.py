"""Features of the small model's eyes, matched without training, on the quick start's tests."""

_base_ = ['../_base_/datasets/quickstart.py', '../_base_/default_runtime.py']

model = dict(
    type='FeatureMatcher',
    backbone=dict(type='VisionBackbone', pretrained='checkpoints/focus-small', level=12),
    size=320,
    threshold=0.65,
)
train_dataloader = None
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# Correlation takes longer than the model: one row of the table asks for it.
test_evaluator = dict(metrics=[dict(type='InContextMetric', matcher=True)] * len(_base_.sets))
