"""The small model that is shipped, with scores that were fitted by configs/small/focus_small_presence.py."""

_base_ = 'focus_small.py'

model = dict(
    pretrained='checkpoints/focus-small',
    bbox_head=dict(
        score_calibration=(0.1166, -16.6580),
        score_likeness=30.1399,
        voting=dict(draws=12),
    ),
)
