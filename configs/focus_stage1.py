"""FOCUS stage 1 on Qwen2-VL-7B: TAO, GOT-10k and LaSOT together, as in Table 2."""

_base_ = [
    '_base_/models/focus_qwen2_vl_7b.py',
    '_base_/datasets/tao_got10k_lasot.py',
    '_base_/schedules/stage1.py',
    '_base_/default_runtime.py',
]

# Each of the three gets the 6,000 episodes that TAO has alone; the paper does not state it.
max_iters = 3 * 94
warmup = round(0.03 * max_iters)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=warmup),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=warmup, end=max_iters, eta_min=0.0),
]

# The processor runs in the data workers.
encode = dict(type='encode_episodes', pretrained={{_base_.model.pretrained}})
train_dataloader = dict(collate_fn=encode)
val_dataloader = dict(collate_fn=encode)
test_dataloader = val_dataloader
