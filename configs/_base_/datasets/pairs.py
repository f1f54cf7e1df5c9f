"""Which of two? Drawn scenes of two silhouettes in plain colours, the easiest objects to tell apart.

``crowd`` is for configs that go on to four: drawings and silhouettes, one of them the
target's drawing in other colours, another in the target's colours, in scenes of 96 x 96
pixels, because in 16 visual tokens four objects overlap. Any of the four is asked for: were
it always the first, a model could learn that it is the one that resembles two others.

Chosen on the validation drawings, reported on the test drawings.
"""

boxes = dict(type='LoadAnnotations', with_bbox=True)
budget = dict(type='ResizeToPixelBudget', max_pixels=4096, multiple=16)
inference_pipeline = [
    dict(type='ForEachFrame', transforms=[boxes, budget]),
    dict(type='PackEpisodeInputs'),
]
crowd_inference_pipeline = [
    dict(type='ForEachFrame', transforms=[boxes, dict(budget, max_pixels=9216)]),
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
crowd = dict(
    train_pairs,
    look_alikes=1,
    same_colours=1,
    plain=0.5,
    target='any',
    size=(96, 96),
    scale=(0.25, 0.4),
    pipeline=[dict(type='RenderSpriteEpisode'), *crowd_inference_pipeline],
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
