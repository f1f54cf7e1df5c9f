"""Supervised fine-tuning: 94 steps of 64 episodes, about the 6,000 that the release has seen."""

max_iters = 94
warmup = round(0.03 * max_iters)

# An iteration is a step of the effective batch, whatever the number of GPUs.
train_cfg = dict(type='ResumableTrainLoop', max_iters=max_iters, val_interval=max_iters, effective_batch=64)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# Warm-up 0.03 and gradient norm 0.3 are the paper's.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.0),
    clip_grad=dict(max_norm=0.3),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=warmup),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=warmup, end=max_iters, eta_min=0.0),
]
auto_scale_lr = dict(enable=False, base_batch_size=64)

# The paper's attention loss. Without this line: plain fine-tuning.
custom_hooks = [dict(type='AttentionSupervisionHook', margin=0.025, weight=0.25, layers='all')]
