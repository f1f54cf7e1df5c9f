"""Features without training, by the small model's eyes, on the test of focus_small_collages.py."""

_base_ = ['../feature_matcher_mobilenet_v2.py']

pipeline = [
    dict(type='ForEachFrame', transforms=[dict(type='LoadFrame'), _base_.boxes]),
    dict(type='PackEpisodeInputs'),
]
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='EpisodeDataset',
        data_root='work_dirs/collages/test/',
        ann_file='photographed.json',
        episodes=dict(type='RandomEpisodes', shots=1, per_track=16),
        bad_records='drop',
        test_mode=True,
        pipeline=pipeline,
    )
)
test_evaluator = [dict(type='InContextMetric', by=['shots', 'size'])]
