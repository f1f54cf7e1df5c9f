"""Features of DINOv2-small, matched without training, on TAO's episodes of four supports.

hf download facebook/dinov2-small --local-dir checkpoints/dinov2-small

Its weights have not been at hand here, and the settings are guesses: choose level, size and threshold on
training videos by tools/analysis_tools/tune_feature_matcher.py.
"""

_base_ = ['_base_/datasets/tao.py', '_base_/default_runtime.py']

model = dict(
    type='FeatureMatcher',
    backbone=dict(type='VisionBackbone', pretrained='checkpoints/dinov2-small', level=None),
    size=448,
    threshold=0.4,
)

val_dataloader = dict(
    dataset=dict(
        ann_file='train.json',
        episodes=dict(type='UniformSpanEpisodes', shots=4, target='most_frequent'),
        bad_records='drop',
    )
)
train_dataloader = None
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
