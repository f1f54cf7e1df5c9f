"""Is the object in a whole photograph? Episodes for the small model's scores: half of the queries lack it.

score_calibration and score_likeness of focus_small.py were fitted with it on the validation objects by

focus calibrate configs/small/focus_small_presence.py none --threshold 0 --prior 0.1

The test objects show how far these scores can be believed.
"""

_base_ = ['focus_small.py']

episodes = dict(type='RandomEpisodes', shots=1, per_track=24, negatives=0.5)
photographs = dict(
    _delete_=True,
    type='EpisodeDataset',
    data_root='data/realset/',
    episodes=episodes,
    test_mode=True,
    pipeline=_base_.pipeline,
)
val_dataloader = dict(dataset=dict(ann_file='val.json', **photographs))
test_dataloader = dict(dataset=dict(ann_file='test.json', **photographs))

val_evaluator = dict(
    _delete_=True,
    type='Evaluator',
    metrics=[dict(type='InContextMetric'), dict(type='ScoreCalibration', threshold=0)],
)
test_evaluator = [dict(type='InContextMetric'), dict(type='ScoreCalibration', threshold=0)]
