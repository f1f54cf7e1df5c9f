"""YouTube-VIS for training, as tools/dataset_converters/youtube_vis.py writes it.

Boxes are published for its training videos only, so validation stays TAO's.
"""

_base_ = 'tao.py'

train_dataloader = dict(
    dataset=dict(
        data_root='data/youtube_vis/',
        data_prefix=dict(img=''),
        ann_file='objects_train.json',
        episodes=dict(target='every'),
    ),
)
