"""FOCUS stage 1 on SmolVLM2-500M and TAO, for one GPU of 8 GB."""

_base_ = [
    '../_base_/models/focus_qwen2_vl_7b.py',
    '../_base_/datasets/tao_any_size.py',
    '../_base_/schedules/stage1.py',
    '../_base_/default_runtime.py',
]

pretrained = 'checkpoints/SmolVLM2-500M-Video-Instruct'
model = dict(pretrained=pretrained)

# The processor runs in the data workers.
encode = dict(type='encode_episodes', pretrained=pretrained)
train_dataloader = dict(collate_fn=encode)
val_dataloader = dict(collate_fn=encode)
test_dataloader = val_dataloader
