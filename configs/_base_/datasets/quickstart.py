"""What ``tools/quickstart.sh`` trains on: photographs, and collages made of ``data`` in a minute.

An object takes 5 % of a collage or more, anywhere in it, with others and look-alikes beside it. Two test
sets: these collages, and crops of photographs, where the object is alone. The objects of validation and of
the tests, photographed and drawn, are never seen in training.
"""

_base_ = 'collages.py'

pictures = 'work_dirs/quickstart/collages/'
photographed = dict(_base_.train_parts, data_root=pictures + 'train/', ann_file='photographed.json')
pasted = dict(photographed, ann_file='pasted.json')
train_dataloader = dict(
    sampler=dict(weights=dict(_delete_=True, crops=0.15, photographed=0.35, pasted=0.5)),
    batch_sampler=dict(type='ShotGroupedBatchSampler'),
    dataset=dict(datasets=[_base_.crops, photographed, pasted]),
)

held_out_collages = dict(
    _base_.held_out,
    ann_file='photographed.json',
    episodes=dict(type='RandomEpisodes', shots=1, per_track=8),
)
sets = ['collages', 'crops']
val_dataloader = dict(
    dataset=dict(
        datasets=[dict(held_out_collages, data_root=pictures + 'val/'), _base_.val_parts[0]],
    )
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(held_out_collages, data_root=pictures + 'test/'),
            _base_.test_dataloader.dataset,
        ],
    )
)
val_evaluator = dict(metrics=[dict(type='InContextMetric')] * len(sets), dataset_prefixes=sets)
test_evaluator = dict(
    _delete_=True,
    type='MultiDatasetsEvaluator',
    metrics=[dict(type='InContextMetric')] * len(sets),
    dataset_prefixes=sets,
)
