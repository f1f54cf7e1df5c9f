"""COCO without tracks: supports and query are different crops of one image.

python tools/dataset_converters/coco.py data/coco --split train2017 --identity crop
python tools/dataset_converters/coco.py data/coco --split val2017 --identity crop
"""

_base_ = 'episodes.py'

crop_pipeline = [
    dict(
        type='ForEachFrame',
        transforms=[
            dict(type='LoadFrame'),
            dict(type='CropAroundBox', scale=(1.5, 3.5)),
            dict(type='LoadAnnotations', with_bbox=True),
            {{_base_.budget}},
        ],
    ),
    dict(type='PackEpisodeInputs'),
]
coco = dict(
    data_root='data/coco/',
    data_prefix=dict(img=''),
    episodes=dict(type='SameImageEpisodes', shots=4),
    pipeline=crop_pipeline,
)
train_dataloader = dict(dataset=dict(ann_file='train2017_crop.json', **coco))
val_dataloader = dict(dataset=dict(ann_file='val2017_crop.json', **coco))
test_dataloader = val_dataloader
