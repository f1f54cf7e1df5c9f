"""What the configs of all video datasets share: 4 shots, the paper's training budget of pixels.

Training draws its episodes; tests take fixed ones, from a manifest that
tools/dataset_converters/make_episodes.py writes.
"""

budget = dict(type='ResizeToPixelBudget', max_pixels=276480, multiple=28)  # 0.3 x 1280 x 720

pipeline = [
    dict(
        type='ForEachFrame',
        transforms=[dict(type='LoadFrame'), dict(type='LoadAnnotations', with_bbox=True), budget],
    ),
    dict(type='PackEpisodeInputs'),
]
inference_pipeline = [
    dict(type='ForEachFrame', transforms=[dict(type='LoadAnnotations', with_bbox=True), budget]),
    dict(type='PackEpisodeInputs'),
]

train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='collate_episodes'),
    dataset=dict(
        type='EpisodeDataset',
        data_prefix=dict(img=''),
        episodes=dict(type='UniformSpanEpisodes', shots=4),
        bad_records='drop',
        max_unreadable=0.001,
        pipeline=pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='collate_episodes'),
    dataset=dict(
        type='EpisodeDataset',
        data_prefix=dict(img=''),
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
