"""Features without training on the galleries of focus_small_gallery.py."""

_base_ = ['../feature_matcher_presence.py']

test_dataloader = dict(
    dataset=dict(
        ann_file='gallery.json',
        episodes=dict(_delete_=True, type='GalleryEpisodes', size=100, negatives=0.96),
    )
)
test_evaluator = [dict(type='InContextMetric')]
