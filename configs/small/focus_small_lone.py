"""Before stage 1: pictures of one object each, from pretrained eyes and first weights.

Where nothing can be confused, the small model learns within some hundred iterations what each step to the
answer is: to read the support's box, to look for what it holds, and to write where that ends.
"""

_base_ = 'focus_small_stage1.py'

train_dataloader = dict(
    sampler=dict(
        _delete_=True, type='WeightedDatasetSampler', weights=dict(lone_photographed=1, lone_pasted=2)
    ),
    dataset=dict(datasets=[{{_base_.lone_photographed}}, {{_base_.lone_pasted}}]),
)
max_iters = 300
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=6e-3))
param_scheduler = [dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50)]
load_from = None
