"""GRPO from the stage-1 weights: G 4, lr 1e-5, warm-up 0.01, gradient norm 1.0 (paper); see the comments."""

max_iters = 500

# The paper states neither steps nor prompts a step, KL weight, clip range nor temperature.
# beta and loss_type are ours; the rest are the defaults of trl.GRPOConfig.
train_cfg = dict(
    type='GRPOTrainLoop',
    max_iters=max_iters,
    val_interval=max_iters,
    effective_batch=8,
    num_generations=4,
    num_iterations=1,
    temperature=1.0,
    beta=0.04,
    epsilon=0.2,
    loss_type='grpo',
    max_completion_length=50,
    rewards=[dict(type='IoUReward'), dict(type='FormatReward', weight=0.5)],
)
custom_hooks = [dict(type='AnswerSampleHook', interval=50)]
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-5, weight_decay=0.0),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=int(0.01 * max_iters)),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=int(0.01 * max_iters), end=max_iters, eta_min=0.0),
]
auto_scale_lr = dict(enable=False, base_batch_size=8)
