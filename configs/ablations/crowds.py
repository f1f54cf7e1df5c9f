"""The ablation on crowds of four: what ``tools/analysis_tools/ablation.py`` trains and tests.

Stage 1 goes from pairs over shapes to crowds, with the attention losses or without them.
``moved``: the same scenes, asked for the object of the same drawing, of the same colours, or
the unrelated one. In ``recoloured`` crowds both look-alikes are the same drawing.
"""

_base_ = ['../focus_tiny_crowd_stage2.py']

steps = dict(
    sft='configs/ablations/pairs_sft.py',
    sft_shapes='configs/ablations/shapes_sft.py',
    sft_crowd='configs/ablations/crowd_sft.py',
    steps='configs/focus_tiny_pairs_stage1.py',
    steps_shapes='configs/focus_tiny_shapes_stage1.py',
    steps_crowd='configs/focus_tiny_crowd_stage1.py',
    grpo='configs/focus_tiny_crowd_stage2.py',
)
plain = ['sft', 'sft_shapes', 'sft_crowd']
supervised = ['steps', 'steps_shapes', 'steps_crowd']
arms = [
    ('vanilla', [], None),
    ('SFT', plain, 'vanilla'),
    ('SFT + every step supervised', supervised, 'SFT'),
    ('SFT + GRPO', [*plain, 'grpo'], 'SFT'),
    ('SFT + every step supervised + GRPO', [*supervised, 'grpo'], 'SFT + every step supervised'),
]
columns = [
    ('crowd mIoU', 'crowd', 'mIoU'),
    ('answers drawn: mIoU', 'drawn', 'mIoU'),
    ('right of four', 'crowd', 'choice'),
    ('some object', 'crowd', 'any_object@0.5'),
    ('box moved to the same drawing: follows', 'moved_drawing', 'choice'),
    ('to the same colours', 'moved_colours', 'choice'),
    ('to the unrelated', 'moved_unrelated', 'choice'),
    ('supports shuffled: mIoU', 'shuffled', 'mIoU'),
    ('supports removed: mIoU', 'removed', 'mIoU'),
    ('recoloured: mIoU', 'recoloured', 'mIoU'),
    ('silhouettes: mIoU', 'silhouettes', 'mIoU'),
    ('lone object', 'alone', 'acc@0.5'),
]

crowd = dict(_base_.test_dataloader.dataset)
frames = _base_.crowd_inference_pipeline
test_sets = dict(
    crowd=crowd,
    moved_drawing=dict(crowd, target=1),
    moved_colours=dict(crowd, target=2),
    moved_unrelated=dict(crowd, target=3),
    shuffled=dict(type='ShuffledSupports', dataset=crowd),
    drawn=dict(type='RepeatDataset', times=4, dataset=crowd),
    removed=dict(crowd, pipeline=[dict(type='RenderSpriteEpisode'), dict(type='RemoveSupports'), *frames]),
    recoloured=dict(crowd, look_alikes=2, same_colours=0),
    silhouettes=dict(crowd, plain=1.0),
    alone=dict(crowd, distractors=0, look_alikes=0, same_colours=0, scale=(0.25, 0.8)),
)
temperatures = dict(drawn=1.0)
val_evaluator = [dict(type='InContextMetric', matcher=True)]
test_evaluator = val_evaluator
