"""Supervised fine-tuning: about 6,000 episodes at an effective batch of 64."""

max_iters = 750

train_cfg = dict(type='ResumableTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# 8 GPUs x 1 episode x 8 accumulated steps = 64. On fewer GPUs raise by the same
# factor: accumulative_counts, train_cfg.max_iters, the ends of param_scheduler and
# default_hooks.checkpoint.interval; the last checkpoint, which stage 2's load_from
# names, then has another number.
# Warm-up 0.03 and gradient norm 0.3 are the paper's.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.0),
    clip_grad=dict(max_norm=0.3),
    accumulative_counts=8,
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=int(0.03 * max_iters)),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=int(0.03 * max_iters), end=max_iters, eta_min=0.0),
]
auto_scale_lr = dict(enable=False, base_batch_size=8)

# The paper's attention loss. Without this line: plain fine-tuning.
custom_hooks = [dict(type='AttentionSupervisionHook', margin=0.025, weight=0.25, layers='all')]
