"""Photographs, and collages of what was cut out of them and of drawings, 14,000 pictures::

    make="python tools/dataset_converters/collages.py data/realset/train.json --drawings data/sprites/train"
    $make --out work_dirs/collages/first --pictures 7000
    $make --out work_dirs/collages/second --pictures 7000 --seed 1

The test objects, real and drawn, are never seen in training. The model's processor makes squares
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

train_photographed = dict(
    type='EpisodeDataset',
    ann_file='photographed.json',
    episodes=dict(type='RandomEpisodes', shots=[1] * 8 + [2, 4], per_track=600, negatives=0.15),
    bad_records='drop',
    pipeline=pipeline,
)
train_drawn = dict(
    train_photographed,
    ann_file='drawn.json',
    episodes=dict(type='RandomEpisodes', shots=1, per_track=16, negatives=0.15),
)
first, second = collages + 'first/', collages + 'second/'
train_parts = [
    dict(part, data_root=root) for root in (first, second) for part in (train_photographed, train_drawn)
]
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='collate_episodes'),
    dataset=dict(type='ConcatDataset', datasets=train_parts),
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
        pipeline=crop_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = [
    dict(type='InContextMetric', matcher=True, by=['shots', 'size']),
    dict(type='CocoMetric', metric='bbox'),
]
test_evaluator = val_evaluator
