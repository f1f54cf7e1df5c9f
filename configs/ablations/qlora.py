"""Stage 1 with the language model's frozen weights in 4 bit (QLoRA); needs the extra 'qlora'."""

_base_ = '../focus_stage1.py'

model = dict(
    bbox_head=dict(
        quantization=dict(
            load_in_4bit=True,
            bnb_4bit_quant_type='nf4',
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype='bfloat16',
            llm_int8_skip_modules=['model.visual', 'lm_head'],
        )
    )
)
