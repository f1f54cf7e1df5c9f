"""The small model on collages of held-out objects, of any size and in any place, others beside them.

python tools/dataset_converters/collages.py data/realset/test.json --cutouts data/sprites/test \
    --out work_dirs/collages/test --pictures 600 --seed 7
"""

_base_ = ['focus_small.py']

test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='EpisodeDataset',
        data_root=_base_.collages + 'test/',
        ann_file='photographed.json',
        episodes=dict(type='RandomEpisodes', shots=1, per_track=16),
        bad_records='drop',
        test_mode=True,
        pipeline=_base_.pipeline,
    )
)
test_evaluator = [dict(type='InContextMetric', by=['shots', 'size'])]
