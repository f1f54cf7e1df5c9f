"""PerSeg to test on, photographs of unseen objects; training stays on TAO.

python tools/dataset_converters/perseg.py data/perseg
python tools/dataset_converters/make_episodes.py data/perseg/annotations.json \
    data/perseg/test_4shots.json --protocol perseg --shots 4
"""

_base_ = 'tao.py'

val_dataloader = dict(
    dataset=dict(data_root='data/perseg/', ann_file='test_4shots.json', data_prefix=dict(img=''))
)
test_dataloader = val_dataloader
