"""Photographs, and collages of what was cut out of them and of other cut-outs, 30,000 pictures.

Ten photographed objects are learned from (``fit.json``), six are for validation (``val.json``). What is
pasted are the drawings in ``data``, photographed objects of Tux Paint's stamps and renderings of Sweet
Home 3D's models; docs/small_model.md says where these come from, and makes the pictures: ``lone`` ones of
one object each, and ``train`` ones of up to five. The photographed objects are few, and so are their shares.

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

train_parts = dict(
    type='EpisodeDataset',
    episodes=dict(type='RandomEpisodes', shots=[1] * 8 + [2, 4], per_track=40, negatives=0.12),
    bad_records='drop',
    pipeline=pipeline,
)
crops = dict(
    train_parts,
    data_root=photos,
    ann_file='fit.json',
    episodes=dict(type='RandomEpisodes', shots=[1] * 8 + [2, 4], per_track=200),
    pipeline=crop_pipeline,
)
lone_photographed = dict(train_parts, data_root=collages + 'lone/', ann_file='photographed.json')
lone_pasted = dict(lone_photographed, ann_file='pasted.json')
many_photographed = dict(train_parts, data_root=collages + 'train/', ann_file='photographed.json')
many_pasted = dict(many_photographed, ann_file='pasted.json')
shares = dict(crops=0.06, lone_photographed=0.04, lone_pasted=0.2, many_photographed=0.1, many_pasted=0.6)
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='WeightedDatasetSampler', weights=shares),
    collate_fn=dict(type='collate_episodes'),
    dataset=dict(
        type='ConcatDataset',
        datasets=[crops, lone_photographed, lone_pasted, many_photographed, many_pasted],
    ),
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
        episodes=dict(type='RandomEpisodes', shots=1, per_track=12),
    ),
    dict(
        held_out,
        data_root=collages + 'val/',
        ann_file='pasted.json',
        episodes=dict(type='RandomEpisodes', shots=1, per_track=1),
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
