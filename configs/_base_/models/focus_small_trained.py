"""The small model that is shipped, with scores that were fitted by configs/small/focus_small_presence.py."""

_base_ = 'focus_small.py'

model = dict(
    pretrained='checkpoints/focus-small',
    bbox_head=dict(
        score_calibration=(0.2725, -21.6115),
        score_likeness=39.9711,
        voting=dict(draws=12),
    ),
)
