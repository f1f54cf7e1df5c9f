"""FOCUS stage 1 on Qwen2-VL-7B and TAO: one dataset through both stages, as in Tables 1, 3, 5 and 6."""

_base_ = [
    '_base_/models/focus_qwen2_vl_7b.py',
    '_base_/datasets/tao.py',
    '_base_/schedules/stage1.py',
    '_base_/default_runtime.py',
]

# The processor runs in the data workers.
encode = dict(type='encode_episodes', pretrained={{_base_.model.pretrained}})
train_dataloader = dict(collate_fn=encode)
val_dataloader = dict(collate_fn=encode)
test_dataloader = val_dataloader
