"""GOT-10k; the classes of val are unseen.

python tools/dataset_converters/got10k.py data/got10k --split train
python tools/dataset_converters/got10k.py data/got10k --split val
python tools/dataset_converters/make_episodes.py data/got10k/val.json data/got10k/val_4shots.json \
    --protocol got10k --shots 4
"""

_base_ = 'episodes.py'

train_dataloader = dict(dataset=dict(data_root='data/got10k/', ann_file='train.json'))
val_dataloader = dict(dataset=dict(data_root='data/got10k/', ann_file='val_4shots.json'))
test_dataloader = val_dataloader
