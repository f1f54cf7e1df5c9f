"""Qwen2-VL-7B-Instruct with LoRA on its language model, as in the paper."""

model = dict(
    type='FocusDetector',
    pretrained='checkpoints/Qwen2-VL-7B-Instruct',
    backbone=dict(),  # mmdet.apis.init_detector looks into it
    data_preprocessor=dict(type='EpisodeDataPreprocessor', max_tokens=32768),
    bbox_head=dict(
        type='VLMHead',
        dtype='bfloat16',
        lora=dict(r=8, lora_alpha=16, lora_dropout=0.0),
        freeze_vision=True,
        gradient_checkpointing=True,
        max_new_tokens=50,
    ),
)
