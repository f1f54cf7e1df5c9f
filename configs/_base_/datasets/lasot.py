"""LaSOT, as tools/dataset_converters/lasot.py writes it; the test classes are unseen."""

_base_ = 'episodes.py'

train_dataloader = dict(dataset=dict(data_root='data/lasot/', ann_file='train.json'))
val_dataloader = dict(dataset=dict(data_root='data/lasot/', ann_file='test_4shots.json'))
test_dataloader = val_dataloader
