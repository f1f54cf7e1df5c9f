"""TAO, as tools/dataset_converters/tao.py writes it."""

_base_ = 'episodes.py'

tao = dict(data_root='data/tao/', data_prefix=dict(img='frames/'))
train_dataloader = dict(dataset=dict(ann_file='train.json', **tao))
val_dataloader = dict(dataset=dict(ann_file='validation.json', **tao))
test_dataloader = val_dataloader
