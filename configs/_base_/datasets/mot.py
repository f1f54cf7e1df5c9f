"""MOTChallenge for training, as tools/dataset_converters/mot.py writes it.

Boxes are published for its training videos only, so validation stays TAO's.
"""

_base_ = 'tao.py'

train_dataloader = dict(
    dataset=dict(
        data_root='data/mot/',
        data_prefix=dict(img=''),
        ann_file='train.json',
        episodes=dict(target='every'),
    ),
)
