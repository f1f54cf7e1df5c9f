"""YouTube-VIS to train on; boxes are published for its training videos only, so validation stays TAO's.

python tools/dataset_converters/youtube_vis.py data/youtube_vis --split train
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
