"""Stage 1 of the small models: each step to the answer is supervised.

The end of a support's box attends to what the box holds; the answer attends to the end of the box, to the
query's object, and each of its coordinates to the edge that it names. The paper's loss alone teaches a model
of this size little (docs/ablation.md).
"""

_base_ = 'stage1.py'

train_cfg = dict(effective_batch=16)
attention = dict(type='AttentionSupervisionHook', form='log', margin=0.9, weight=1.0)
custom_hooks = [
    dict(
        attention, name='reading', rows='box_end', columns='box_region', layers=[1], heads=[0, 1], weight=2.0
    ),
    dict(attention, name='support', rows='answer', columns='box_end', layers=[2], heads=[0, 1], weight=0.5),
    dict(attention, name='query', rows='answer', columns='query_region', layers=[3], heads=[0, 1]),
    dict(attention, name='edges', rows='coordinate', columns='query_edge', layers=[4], weight=0.5),
]
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='MuonWithAdamW', lr=5e-3),
    clip_grad=dict(max_norm=1.0),
)
auto_scale_lr = dict(base_batch_size=16)
