"""Stage 2 on photographs at ten times its length, after every step supervised.

What ``photographs.py`` has trained into the same ``--work-dir`` is not trained again.
"""

_base_ = ['photographs.py']

grpo = _base_.steps['grpo']
steps = dict(
    _delete_=True,
    steps=_base_.steps['steps'],
    grpo=grpo,
    long=(grpo, {'train_cfg.max_iters': 500, 'param_scheduler.1.end': 500}),
)
arms = [
    ('SFT + every step supervised', ['steps'], None),
    ('+ GRPO, 50 iterations', ['steps', 'grpo'], 'SFT + every step supervised'),
    ('+ GRPO, 500 iterations', ['steps', 'long'], 'SFT + every step supervised'),
]
