"""The ablation on two objects: what ``tools/analysis_tools/ablation.py`` trains and tests.

``pairs`` are what the arms train on, ``drawings`` the same with the drawings as
they are. Crowds hold four objects: the target, the same drawing in other
colours, another drawing in the target's colours, and an unrelated one.
"""

_base_ = ['../focus_tiny_pairs_stage2.py', '../_base_/table3_arms.py']

#: Trainings by name; an arm goes through several, each from the weights of the one before.
steps = dict(
    sft='configs/ablations/pairs_sft.py',
    paper='configs/ablations/pairs_paper_attention.py',
    steps='configs/focus_tiny_pairs_stage1.py',
    grpo='configs/focus_tiny_pairs_stage2.py',
)
#: (title, test set, metric) of each column.
columns = [
    ('pairs mIoU', 'pairs', 'mIoU'),
    ('answers drawn: mIoU', 'drawn', 'mIoU'),
    ('right object of two', 'pairs', 'choice'),
    ('box moved: follows', 'moved', 'choice'),
    ('supports shuffled: mIoU', 'shuffled', 'mIoU'),
    ('supports removed: mIoU', 'removed', 'mIoU'),
    ('drawings: right of two', 'drawings', 'choice'),
    ('crowd mIoU', 'crowd', 'mIoU'),
    ('crowd: right of four', 'crowd', 'choice'),
    ('lone object', 'alone', 'acc@0.5'),
    ('photos mIoU', 'photos', 'mIoU'),
]

boxes = dict(type='LoadAnnotations', with_bbox=True)
budget = dict(type='ResizeToPixelBudget', max_pixels=4096, multiple=16)
frames = [dict(type='ForEachFrame', transforms=[boxes, budget]), dict(type='PackEpisodeInputs')]
removed = [dict(type='RenderSpriteEpisode'), dict(type='RemoveSupports'), *frames]
pairs = dict(_base_.test_dataloader.dataset)
crowd = dict(
    type='SpriteEpisodeDataset',
    data_root='data/sprites/test',
    length=256,
    distractors=1,
    look_alikes=1,
    same_colours=1,
    size=(64, 64),
    scale=(0.2, 0.45),
    test_mode=True,
    pipeline=[dict(type='RenderSpriteEpisode'), *frames],
)
photos = dict(
    type='EpisodeDataset',
    data_root='data/realset/',
    ann_file='test.json',
    episodes=dict(type='RandomEpisodes', shots=1, per_track=24),
    test_mode=True,
    pipeline=[
        dict(
            type='ForEachFrame',
            transforms=[
                dict(type='LoadFrame'), dict(type='CropAroundBox', scale=(1.5, 3.5)), boxes, budget,
            ],
        ),
        dict(type='PackEpisodeInputs'),
    ],
)  # fmt: skip

test_sets = dict(
    pairs=pairs,
    # The two objects change places: does the answer follow the support's box?
    moved=dict(pairs, target=1),
    shuffled=dict(type='ShuffledSupports', dataset=pairs),
    # Four answers each, drawn as stage 2 draws them.
    drawn=dict(type='RepeatDataset', times=4, dataset=pairs),
    removed=dict(pairs, pipeline=removed),
    drawings=dict(pairs, plain=0.0),
    crowd=crowd,
    alone=dict(crowd, distractors=0, look_alikes=0, same_colours=0, scale=(0.25, 0.8)),
    photos=photos,
)
#: Of model.bbox_head, by test set; 0 for the rest.
temperatures = dict(drawn=1.0)
val_evaluator = [dict(type='InContextMetric', matcher=True)]
test_evaluator = val_evaluator
