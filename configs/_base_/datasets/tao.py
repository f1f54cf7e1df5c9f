"""TAO, as tools/dataset_converters/tao.py writes it; the target is a video's most frequent track."""

_base_ = 'episodes.py'

tao = dict(data_root='data/tao/', data_prefix=dict(img='frames/'))
train_dataloader = dict(dataset=dict(ann_file='train.json', episodes=dict(target='most_frequent'), **tao))
val_dataloader = dict(dataset=dict(ann_file='validation_4shots.json', **tao))
test_dataloader = val_dataloader
