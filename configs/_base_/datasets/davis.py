"""DAVIS 2017.

python tools/dataset_converters/davis.py data/davis --split train
python tools/dataset_converters/davis.py data/davis --split val
python tools/dataset_converters/make_episodes.py data/davis/val.json data/davis/val_4shots.json \
    --episodes type=UniformSpanEpisodes shots=4
"""

_base_ = 'episodes.py'

davis = dict(data_root='data/davis/', data_prefix=dict(img=''))
train_dataloader = dict(dataset=dict(ann_file='train.json', **davis))
val_dataloader = dict(dataset=dict(ann_file='val_4shots.json', **davis))
test_dataloader = val_dataloader
