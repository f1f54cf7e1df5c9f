"""Features matched without training, on large collages of held-out objects, for looks at small ones.

python tools/dataset_converters/collages.py data/realset/test.json --cutouts data/sprites/test \\
    --out work_dirs/collages/large --pictures 600 --seed 7 --scale 4
focus zoom configs/feature_matcher_large_collages.py none
"""

_base_ = ['feature_matcher_mobilenet_v2.py']

pipeline = [
    dict(type='ForEachFrame', transforms=[dict(type='LoadFrame'), _base_.boxes]),
    dict(type='PackEpisodeInputs'),
]
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='EpisodeDataset',
        data_root='work_dirs/collages/large/',
        ann_file='photographed.json',
        episodes=dict(type='RandomEpisodes', shots=1, per_track=16),
        bad_records='drop',
        test_mode=True,
        pipeline=pipeline,
    )
)
test_evaluator = [dict(type='InContextMetric', by=['shots', 'size'])]
