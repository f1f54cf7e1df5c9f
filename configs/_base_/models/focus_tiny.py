"""The embedded model: the 7B config with other sizes."""

_base_ = 'focus_qwen2_vl_7b.py'

model = dict(
    pretrained='checkpoints/focus-tiny-base',
    bbox_head=dict(dtype='float32', lora=None, gradient_checkpointing=False, max_new_tokens=40),
)
