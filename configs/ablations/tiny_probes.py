"""Test sets of ``tools/analysis_tools/ablation.py``: held-out objects, and probes.

Crowds hold four objects: the target, the same drawing in other colours,
another drawing in the target's colours, and an unrelated one.
"""

_base_ = ['../focus_tiny_stage2.py']

boxes = dict(type='LoadAnnotations', with_bbox=True)
budget = dict(type='ResizeToPixelBudget', max_pixels=4096, multiple=16)
frames = [
    dict(type='ForEachFrame', transforms=[boxes, budget]),
    dict(type='PackEpisodeInputs'),
]
crowd = dict(
    type='SpriteEpisodeDataset',
    data_root='data/sprites/test',
    length=192,
    distractors=1,
    look_alikes=1,
    same_colours=1,
    size=(64, 64),
    scale=(0.2, 0.45),
    test_mode=True,
    pipeline=[dict(type='RenderSpriteEpisode'), *frames],
)
alone = dict(crowd, distractors=0, look_alikes=0, same_colours=0, scale=(0.25, 0.8))

test_sets = dict(
    photos={{_base_.val_dataloader.dataset}},
    crowd=crowd,
    alone=alone,
    # Do the supports matter?
    moved=dict(crowd, target=3),
    shuffled=dict(type='ShuffledSupports', dataset=crowd),
    removed=dict(crowd, pipeline=[dict(type='RenderSpriteEpisode'), dict(type='RemoveSupports'), *frames]),
)
val_evaluator = [dict(type='InContextMetric', matcher=True)]
test_evaluator = val_evaluator
