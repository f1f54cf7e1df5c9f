"""The small model that is shipped, ready to find things.

Its scores were fitted with focus_small_presence.py.
"""

_base_ = ['focus_small_stage2.py']

model = dict(
    pretrained='checkpoints/focus-small',
    bbox_head=dict(
        feature_cache=0.0,
        score_calibration=(0.2725, -21.6115),
        score_likeness=39.9711,
        voting=dict(draws=12),
    ),
)
load_from = None
