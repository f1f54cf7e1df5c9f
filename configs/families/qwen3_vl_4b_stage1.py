"""FOCUS stage 1 on Qwen3-VL-4B in 4 bit and TAO, for one GPU of 12 GB; needs the extra qlora."""

_base_ = [
    '../_base_/models/focus_qwen2_vl_7b.py',
    '../_base_/datasets/tao_multiple_32.py',
    '../_base_/schedules/stage1.py',
    '../_base_/default_runtime.py',
]

quantization = dict(
    load_in_4bit=True,
    bnb_4bit_quant_type='nf4',
    bnb_4bit_use_double_quant=True,
    bnb_4bit_compute_dtype='bfloat16',
    llm_int8_skip_modules=['model.visual', 'lm_head'],
)
pretrained = 'checkpoints/Qwen3-VL-4B-Instruct'
model = dict(pretrained=pretrained, bbox_head=dict(quantization=quantization))

# The processor runs in the data workers.
encode = dict(type='encode_episodes', pretrained=pretrained)
train_dataloader = dict(collate_fn=encode)
val_dataloader = dict(collate_fn=encode)
test_dataloader = val_dataloader
