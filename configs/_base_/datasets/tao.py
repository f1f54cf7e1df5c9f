"""TAO; the target is a video's most frequent track.

python tools/dataset_converters/tao.py data/tao --split train
python tools/dataset_converters/tao.py data/tao --split validation
python tools/dataset_converters/make_episodes.py data/tao/validation.json \
    data/tao/validation_4shots.json --image-root data/tao/frames --protocol tao --shots 4
"""

_base_ = 'episodes.py'

tao = dict(data_root='data/tao/', data_prefix=dict(img='frames/'))
train_dataloader = dict(dataset=dict(ann_file='train.json', episodes=dict(target='most_frequent'), **tao))
val_dataloader = dict(dataset=dict(ann_file='validation_4shots.json', **tao))
test_dataloader = val_dataloader
