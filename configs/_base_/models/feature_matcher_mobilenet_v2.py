"""Features without training, by the eyes of the small model: a MobileNetV2 trained on ImageNet.

Level, size and threshold were chosen on the training objects, which serve as validation here. So was the
calibration, on whole photographs, half of which lack the object:

focus calibrate configs/feature_matcher_presence.py none --threshold 0 --prior 0.1
"""

model = dict(
    type='FeatureMatcher',
    # torchvision's features[14]: 160 channels at stride 32.
    backbone=dict(type='VisionBackbone', pretrained='checkpoints/focus-small', level=[11, 12]),
    size=320,
    threshold=0.4,
    score_calibration=(6.6942, 0.4763),
)
