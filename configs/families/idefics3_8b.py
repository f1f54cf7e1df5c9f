"""Idefics3-8B on TAO; in Table 1 as published: tools/test.py with the checkpoint none."""

_base_ = [
    '../_base_/models/focus_qwen2_vl_7b.py',
    '../_base_/datasets/tao_any_size.py',
    '../_base_/schedules/stage1.py',
    '../_base_/default_runtime.py',
]

pretrained = 'checkpoints/Idefics3-8B-Llama3'
model = dict(pretrained=pretrained)

# The processor runs in the data workers.
encode = dict(type='encode_episodes', pretrained=pretrained)
train_dataloader = dict(collate_fn=encode)
val_dataloader = dict(collate_fn=encode)
test_dataloader = val_dataloader
