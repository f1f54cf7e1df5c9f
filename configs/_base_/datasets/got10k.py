"""GOT-10k, as tools/dataset_converters/got10k.py writes it."""

_base_ = 'episodes.py'

train_dataloader = dict(dataset=dict(data_root='data/got10k/', ann_file='train.json'))
val_dataloader = dict(dataset=dict(data_root='data/got10k/', ann_file='val_4shots.json'))
test_dataloader = val_dataloader
