"""FOCUS stage 2 on Qwen2-VL-7B: GRPO on TAO from the weights of its stage 1, as in Tables 1, 3, 5 and 6."""

_base_ = [
    '_base_/models/focus_qwen2_vl_7b.py',
    '_base_/datasets/tao.py',
    '_base_/schedules/stage2.py',
    '_base_/default_runtime.py',
]

load_from = 'work_dirs/focus_stage1_tao/iter_94.pth'

# The processor runs in the data workers.
encode = dict(type='encode_episodes', pretrained={{_base_.model.pretrained}})
train_dataloader = dict(collate_fn=encode)
val_dataloader = dict(collate_fn=encode)
test_dataloader = val_dataloader
