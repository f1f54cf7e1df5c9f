"""PerMIRS to test on, objects beside others of their class; training stays on TAO.

python tools/dataset_converters/burst.py data/burst --split test --same-class
python tools/dataset_converters/make_episodes.py data/burst/test.json data/burst/test_2shots.json \
    --protocol permirs --shots 2 --keep-going
"""

_base_ = 'tao.py'

val_dataloader = dict(
    dataset=dict(
        data_root='data/burst/',
        ann_file='test_2shots.json',  # the paper tests it at 1 and 2 shots
        data_prefix=dict(img=''),
    )
)
test_dataloader = val_dataloader
