"""FOCUS stage 1 on LLaVA-OneVision-7B and TAO, as in Table 4."""

_base_ = [
    '../_base_/models/focus_qwen2_vl_7b.py',
    '../_base_/datasets/tao_any_size.py',
    '../_base_/schedules/stage1.py',
    '../_base_/default_runtime.py',
]

pretrained = 'checkpoints/llava-onevision-qwen2-7b-ov-hf'
model = dict(pretrained=pretrained)

# The processor runs in the data workers.
encode = dict(type='encode_episodes', pretrained=pretrained)
train_dataloader = dict(collate_fn=encode)
val_dataloader = dict(collate_fn=encode)
test_dataloader = val_dataloader
