"""FOCUS stage 2 on Qwen2-VL-72B and TAO, spread over eight GPUs of 80 GB."""

_base_ = [
    '../_base_/models/focus_qwen2_vl_7b.py',
    '../_base_/datasets/tao.py',
    '../_base_/schedules/stage2.py',
    '../_base_/default_runtime.py',
]

pretrained = 'checkpoints/Qwen2-VL-72B-Instruct'
model = dict(pretrained=pretrained)
model_wrapper_cfg = dict(type='FullyShardedModel')
load_from = 'work_dirs/qwen2_vl_72b_stage1/iter_94.pth'

# The processor runs in the data workers.
encode = dict(type='encode_episodes', pretrained=pretrained)
train_dataloader = dict(collate_fn=encode)
val_dataloader = dict(collate_fn=encode)
test_dataloader = val_dataloader
