"""Your own photographs as the small models take them: their processor makes squares of all images.

Training crops them at random, so that the object is not always in the middle.
"""

_base_ = 'folder.py'

boxes = dict(type='LoadAnnotations', with_bbox=True)
pipeline = [
    dict(
        type='ForEachFrame',
        transforms=[dict(type='LoadFrame'), dict(type='CropAroundBox', scale=(1.5, 6.0)), boxes],
    ),
    dict(type='PackEpisodeInputs'),
]
whole_pipeline = [
    dict(type='ForEachFrame', transforms=[dict(type='LoadFrame'), boxes]),
    dict(type='PackEpisodeInputs'),
]
inference_pipeline = [dict(type='ForEachFrame', transforms=[boxes]), dict(type='PackEpisodeInputs')]

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(bad_records='error', max_unreadable=0.0, pipeline=pipeline),
)
val_dataloader = dict(batch_size=16, num_workers=1, dataset=dict(pipeline=whole_pipeline))
test_dataloader = val_dataloader
