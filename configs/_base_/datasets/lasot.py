"""LaSOT; the test classes are unseen.

python tools/dataset_converters/lasot.py data/lasot --split train
python tools/dataset_converters/lasot.py data/lasot --split test
python tools/dataset_converters/make_episodes.py data/lasot/test.json data/lasot/test_4shots.json \
    --protocol lasot --shots 4
"""

_base_ = 'episodes.py'

train_dataloader = dict(dataset=dict(data_root='data/lasot/', ann_file='train.json'))
val_dataloader = dict(dataset=dict(data_root='data/lasot/', ann_file='test_4shots.json'))
test_dataloader = val_dataloader
