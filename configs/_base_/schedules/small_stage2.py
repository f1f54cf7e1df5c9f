"""GRPO of the small models: 8 answers to each of 8 prompts."""

_base_ = 'stage2.py'

train_cfg = dict(max_completion_length=30, effective_batch=8, num_generations=8)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
auto_scale_lr = dict(base_batch_size=8)
