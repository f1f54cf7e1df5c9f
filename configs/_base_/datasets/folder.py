"""Your own photographs, one folder per object.

python tools/dataset_converters/folder.py data/mine
python tools/dataset_converters/split_by_instance.py data/mine/annotations.json
"""

_base_ = 'episodes.py'

mine = dict(data_root='data/mine/', data_prefix=dict(img=''))
train_dataloader = dict(
    dataset=dict(ann_file='train.json', episodes=dict(type='RandomEpisodes', shots=1, per_track=64), **mine)
)
val_dataloader = dict(
    dataset=dict(ann_file='test.json', episodes=dict(type='RandomEpisodes', shots=1, per_track=8), **mine)
)
test_dataloader = val_dataloader
