"""TAO for VLMs that merge patches of 16 pixels by two, as Qwen3-VL."""

_base_ = 'tao.py'

budget = dict(_base_.budget, multiple=32)
pipeline = _base_.pipeline
inference_pipeline = _base_.inference_pipeline
pipeline[0]['transforms'][-1] = inference_pipeline[0]['transforms'][-1] = budget
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
