"""Which of two? Stage 1 on drawn scenes of two objects, with attention supervised step by step.

The paper's loss alone does not make a model of this size look at its support.
These three do: the end of a support's box attends to what the box holds, the
opening of the answer to the support's box, and then to the query's object.
``--cfg-options custom_hooks='[]'`` is plain fine-tuning on the same episodes.
"""

_base_ = ['focus_tiny_stage1.py']

pairs = dict(
    type='SpriteEpisodeDataset',
    data_root='data/sprites/train',
    length=100000,
    shots=1,
    distractors=1,
    look_alikes=0,
    size=(64, 64),
    scale=(0.25, 0.45),
    pipeline={{_base_.sprite_pipeline}},
)
train_dataloader = dict(batch_size=32, dataset=dict(_delete_=True, **pairs))
val_dataloader = dict(
    dataset=dict(_delete_=True, **{**pairs, 'data_root': 'data/sprites/val', 'length': 256}, test_mode=True)
)
test_dataloader = dict(
    dataset=dict(_delete_=True, **{**pairs, 'data_root': 'data/sprites/test', 'length': 256}, test_mode=True)
)

attention = dict(type='AttentionSupervisionHook', form='log', margin=0.9, weight=0.5)
custom_hooks = [
    dict(attention, name='reading', rows='box_end', columns='box_region', layers=[1], heads=[0, 1]),
    dict(attention, name='support', rows='answer_opening', columns='box_text', layers=[3], heads=[0, 1]),
    dict(attention, name='query', rows='answer_opening', columns='query_region', layers=[4]),
]

max_iters = 1200
train_cfg = dict(max_iters=max_iters, val_interval=400)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50, end=max_iters, eta_min=5e-5),
]
default_hooks = dict(checkpoint=dict(interval=400))
auto_scale_lr = dict(base_batch_size=32)
