"""MOTChallenge to train on; boxes are published for its training videos only, so validation stays TAO's.

python tools/dataset_converters/mot.py data/mot --split train
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
