"""Features of the small model's eyes, matched without training, on the quick start's tests."""

_base_ = [
    '../_base_/models/feature_matcher_mobilenet_v2.py',
    '../_base_/datasets/quickstart.py',
    '../_base_/default_runtime.py',
]

train_dataloader = None
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# Correlation takes longer than the model: one row of the table asks for it.
test_evaluator = dict(metrics=[dict(type='InContextMetric', matcher=True)] * len(_base_.sets))
