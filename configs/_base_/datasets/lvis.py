"""LVIS with one object per class: images that show a class exactly once are its frames.

python tools/dataset_converters/coco.py data/lvis --split lvis_v1_train --identity class
python tools/dataset_converters/coco.py data/lvis --split lvis_v1_val --identity class
"""

_base_ = 'episodes.py'

lvis = dict(data_root='data/lvis/', data_prefix=dict(img=''))
train_dataloader = dict(
    dataset=dict(
        ann_file='lvis_v1_train_class.json',
        episodes=dict(type='RandomEpisodes', shots=4, per_track=64),
        **lvis,
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file='lvis_v1_val_class.json',
        episodes=dict(type='RandomEpisodes', shots=4, per_track=1),
        bad_records='drop',  # rare classes with fewer than five images
        **lvis,
    )
)
test_dataloader = val_dataloader
