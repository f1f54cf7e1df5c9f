"""Which of two? Stage 1 on scenes of two drawings, with every step to the answer supervised.

The paper's loss alone does not teach a model of this size to match
(``ablations/pairs_paper_attention.py``). Here three losses do: the end of a
support's box attends to what the box holds, the opening of the answer to the
end of the support's box, and then to the object in the query. The drawings are
silhouettes in plain colours, the easiest thing to tell apart.
"""

_base_ = [
    '_base_/models/focus_tiny.py',
    '_base_/datasets/pairs.py',
    '_base_/schedules/stage1.py',
    '_base_/default_runtime.py',
]

model = dict(bbox_head=dict(freeze_vision=False))

attention = dict(type='AttentionSupervisionHook', form='log', margin=0.9, weight=0.5)
custom_hooks = [
    dict(attention, name='reading', rows='box_end', columns='box_region', layers=[1], heads=[0, 1]),
    dict(attention, name='support', rows='answer_opening', columns='box_end', layers=[3], heads=[0, 1]),
    dict(attention, name='query', rows='answer_opening', columns='query_region', layers=[4]),
]

max_iters = 2400
train_cfg = dict(max_iters=max_iters, val_interval=400, effective_batch=16)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='MuonWithAdamW', lr=2e-3),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=1e-4),
]
auto_scale_lr = dict(base_batch_size=16)
default_hooks = dict(checkpoint=dict(interval=400))
