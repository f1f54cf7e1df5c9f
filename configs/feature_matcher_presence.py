"""Is the object in a whole photograph? Episodes for the matcher's scores: half of the queries lack it.

model.score_calibration of feature_matcher_mobilenet_v2.py was fitted with it on the training objects. The
test objects show how far these scores can be believed.
"""

_base_ = 'feature_matcher_mobilenet_v2.py'

pipeline = [
    dict(type='ForEachFrame', transforms=[dict(type='LoadFrame'), _base_.boxes]),
    dict(type='PackEpisodeInputs'),
]
episodes = dict(negatives=0.5)
val_dataloader = dict(dataset=dict(episodes=episodes, pipeline=pipeline))
test_dataloader = dict(dataset=dict(episodes=episodes, pipeline=pipeline))

val_evaluator = [dict(type='InContextMetric'), dict(type='ScoreCalibration', threshold=0)]
test_evaluator = val_evaluator
