"""The small model with pretrained eyes: the 7B config with other sizes."""

_base_ = 'focus_qwen2_vl_7b.py'

model = dict(
    pretrained='work_dirs/random-small',
    data_preprocessor=dict(may_be_absent=True),
    bbox_head=dict(
        dtype='float32',
        lora=None,
        feature_cache=3.0,
        gradient_checkpointing=False,
        max_new_tokens=30,
    ),
)
