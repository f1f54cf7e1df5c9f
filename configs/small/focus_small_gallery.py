"""Sort photographs by whether they show a test object: 100 for each, its other ones among them.

python tools/dataset_converters/split_by_instance.py data/realset/annotations.json --gallery
"""

_base_ = ['focus_small.py']

test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='EpisodeDataset',
        data_root='data/realset/',
        ann_file='gallery.json',
        episodes=dict(type='GalleryEpisodes', size=100, negatives=0.96),
        test_mode=True,
        pipeline=_base_.pipeline,
    )
)
test_evaluator = [dict(type='InContextMetric')]
