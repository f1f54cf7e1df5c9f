"""TAO for VLMs whose processor makes squares, tiles or whole patches of images by itself."""

_base_ = 'tao.py'

budget = dict(_base_.budget, multiple=1)
pipeline = _base_.pipeline
inference_pipeline = _base_.inference_pipeline
pipeline[0]['transforms'][-1] = inference_pipeline[0]['transforms'][-1] = budget
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
