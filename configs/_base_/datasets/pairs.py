"""Which of two? Drawn scenes of two silhouettes in plain colours, the easiest objects to tell apart.

Chosen on the validation drawings, reported on the test drawings.
"""

inference_pipeline = [
    dict(
        type='ForEachFrame',
        transforms=[
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='ResizeToPixelBudget', max_pixels=4096, multiple=16),
        ],
    ),
    dict(type='PackEpisodeInputs'),
]
train_pairs = dict(
    type='SpriteEpisodeDataset',
    data_root='data/sprites/train',
    length=100000,
    shots=1,
    distractors=1,
    look_alikes=0,
    plain=1.0,
    size=(64, 64),
    scale=(0.25, 0.45),
    pipeline=[dict(type='RenderSpriteEpisode'), *inference_pipeline],
)
held_out = dict(train_pairs, length=256, test_mode=True)
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='collate_episodes'),
    dataset=train_pairs,
)
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='collate_episodes'),
    dataset=dict(held_out, data_root='data/sprites/val'),
)
test_dataloader = dict(val_dataloader, dataset=dict(held_out, data_root='data/sprites/test'))

val_evaluator = [dict(type='InContextMetric')]
test_evaluator = val_evaluator
