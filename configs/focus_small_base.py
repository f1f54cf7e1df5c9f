"""The base of the small configs: boxes the only object of a picture.

The counterpart of a pretrained VLM: it has eyes and speaks, and was never shown what a support
is for::

    python tools/build_small_vlm.py work_dirs/random-small --eyes checkpoints/mobilenet-v2
    python tools/train.py configs/focus_small_base.py
    python tools/model_converters/to_huggingface.py configs/focus_small_base.py \
        work_dirs/focus_small_base/iter_1200.pth work_dirs/focus-small-base
"""

_base_ = [
    '_base_/models/focus_small.py',
    '_base_/datasets/collages.py',
    '_base_/schedules/stage1.py',
    '_base_/default_runtime.py',
]

model = dict(pretrained='work_dirs/random-small')

alone = [dict(type='RemoveSupports'), *_base_.pipeline]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='EpisodeDataset',
        data_root=_base_.collages,
        ann_file='lone.json',
        episodes=dict(type='SameImageEpisodes', shots=1, per_track=64),
        pipeline=alone,
    )
)
val_dataloader = dict(dataset=dict(pipeline=[dict(type='RemoveSupports'), *_base_.crop_pipeline]))
test_dataloader = val_dataloader
val_evaluator = [dict(type='InContextMetric', by=['size'])]
test_evaluator = val_evaluator

# The answer's opening finds the object, and each coordinate its edge.
attention = dict(type='AttentionSupervisionHook', form='log', margin=0.9, weight=0.5)
custom_hooks = [
    dict(attention, name='query', rows='answer_opening', columns='query_region', layers=[4]),
    dict(attention, name='edges', rows='coordinate', columns='query_edge', layers=[4]),
]
max_iters = 1200
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
