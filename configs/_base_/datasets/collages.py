"""Photographs, and collages of what was cut out of them and of other cut-outs, 20,000 pictures.

Ten photographed objects are learned from (``fit.json``), six are for validation (``val.json``). What is
pasted are the drawings in ``data``, photographed objects of Tux Paint's stamps and renderings of Sweet
Home 3D's models; docs/small_model.md says where these come from, and makes the pictures.

The test objects, photographed and drawn, are never seen in training. The model's processor makes squares
of all images, so nothing is resized here.
"""

photos = 'data/realset/'
collages = 'work_dirs/collages/'
boxes = dict(type='LoadAnnotations', with_bbox=True)
inference_pipeline = [
    dict(type='ForEachFrame', transforms=[boxes]),
    dict(type='PackEpisodeInputs'),
]
pipeline = [
    dict(type='ForEachFrame', transforms=[dict(type='LoadFrame'), boxes]),
    dict(type='PackEpisodeInputs'),
]
crop_pipeline = [
    dict(
        type='ForEachFrame',
        transforms=[dict(type='LoadFrame'), dict(type='CropAroundBox', scale=(1.5, 3.5)), boxes],
    ),
    dict(type='PackEpisodeInputs'),
]

shots = [1] * 8 + [2, 4]
train_photographed = dict(
    type='EpisodeDataset',
    ann_file='photographed.json',
    episodes=dict(type='RandomEpisodes', shots=shots, per_track=150, negatives=0.12),
    bad_records='drop',
    pipeline=pipeline,
)
train_pasted = dict(
    train_photographed,
    ann_file='pasted.json',
    episodes=dict(type='RandomEpisodes', shots=shots, per_track=8, negatives=0.12),
)
train_parts = [
    dict(part, data_root=f'{collages}{number}/')
    for number in range(4)
    for part in (train_photographed, train_pasted)
]
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='collate_episodes'),
    dataset=dict(type='ConcatDataset', datasets=train_parts),
)

held_out = dict(type='EpisodeDataset', bad_records='drop', test_mode=True, pipeline=pipeline)
val_parts = [
    dict(
        held_out,
        data_root=photos,
        ann_file='val.json',
        episodes=dict(type='RandomEpisodes', shots=1, per_track=20),
        pipeline=crop_pipeline,
    ),
    dict(
        held_out,
        data_root=collages + 'val/',
        ann_file='photographed.json',
        episodes=dict(type='RandomEpisodes', shots=1, per_track=5),
    ),
    dict(
        held_out,
        data_root=collages + 'val/',
        ann_file='pasted.json',
        episodes=dict(type='RandomEpisodes', shots=1, per_track=2),
    ),
]
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='collate_episodes'),
    dataset=dict(type='ConcatDataset', datasets=val_parts),
)
val_evaluator = dict(
    type='MultiDatasetsEvaluator',
    metrics=[dict(type='InContextMetric', by=['size'])] * len(val_parts),
    dataset_prefixes=['crops', 'photographed', 'pasted'],
)

test_dataloader = dict(
    batch_size=16,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='collate_episodes'),
    dataset=dict(
        type='EpisodeDataset',
        data_root=photos,
        ann_file='test.json',
        episodes=dict(type='RandomEpisodes', shots=1, per_track=24),
        test_mode=True,
        pipeline=crop_pipeline,
    ),
)
test_evaluator = [
    dict(type='InContextMetric', matcher=True, by=['shots', 'size']),
    dict(type='CocoMetric', metric='bbox'),
]
