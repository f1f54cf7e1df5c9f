"""Small episodes for the embedded model: photographs and drawn scenes.

Training mixes random crops of the training objects' photographs with
cut-and-paste scenes; the test objects, real and drawn, are never seen.
"""

photos = 'data/realset/'
sprites = 'data/sprites/'
budget = dict(type='ResizeToPixelBudget', max_pixels=4096, multiple=16)
boxes = dict(type='LoadAnnotations', with_bbox=True)

pipeline = [
    dict(
        type='ForEachFrame',
        transforms=[dict(type='LoadFrame'), dict(type='CropAroundBox', scale=(1.5, 3.5)), boxes, budget],
    ),
    dict(type='PackEpisodeInputs'),
]
sprite_pipeline = [
    dict(type='RenderSpriteEpisode'),
    dict(type='ForEachFrame', transforms=[boxes, budget]),
    dict(type='PackEpisodeInputs'),
]
inference_pipeline = [
    dict(type='ForEachFrame', transforms=[boxes, budget]),
    dict(type='PackEpisodeInputs'),
]

train_photos = dict(
    type='EpisodeDataset',
    data_root=photos,
    ann_file='train.json',
    episodes=dict(type='RandomEpisodes', shots=1, per_track=64),
    pipeline=pipeline,
)
train_sprites = dict(
    type='SpriteEpisodeDataset',
    data_root=sprites + 'train',
    length=50000,
    target='any',
    size=(64, 64),
    pipeline=sprite_pipeline,
)
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='collate_episodes'),
    dataset=dict(
        type='ConcatDataset',
        datasets=[dict(type='RepeatDataset', times=12, dataset=train_photos), train_sprites],
    ),
)
val_dataloader = dict(
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
        pipeline=pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = [
    dict(type='InContextMetric', matcher=True, by=['shots', 'gap', 'size', 'look_alikes']),
    dict(type='CocoMetric', metric='bbox'),
]
test_evaluator = val_evaluator
