"""The attention losses on photographs: the paper's by layers and margin, and ours without each of its parts.

What ``photographs.py`` has trained into the same ``--work-dir`` is not trained again.
"""

_base_ = ['photographs.py']

stage1 = _base_.stage1
paper = _base_.paper
steps = dict(
    _delete_=True,
    paper=_base_.steps['paper'],
    first=(stage1, {'custom_hooks': [dict(paper, layers='first:2')]}),
    last=(stage1, {'custom_hooks': [dict(paper, layers='last:2')]}),
    narrow=(stage1, {'custom_hooks': [dict(paper, margin=0.005)]}),
    wide=(stage1, {'custom_hooks': [dict(paper, margin=0.05)]}),
    steps=stage1,
    no_reading=(stage1, {'custom_hooks.0.weight': 0.0}),
    no_support=(stage1, {'custom_hooks.1.weight': 0.0}),
    no_query=(stage1, {'custom_hooks.2.weight': 0.0}),
    no_edges=(stage1, {'custom_hooks.3.weight': 0.0}),
)
arms = [
    ("the paper's loss, all layers", ['paper'], None),
    ('first two layers', ['first'], "the paper's loss, all layers"),
    ('last two layers', ['last'], "the paper's loss, all layers"),
    ('margin 0.005', ['narrow'], "the paper's loss, all layers"),
    ('margin 0.05', ['wide'], "the paper's loss, all layers"),
    ('every step supervised', ['steps'], None),
    ("without the support's box reading its object", ['no_reading'], 'every step supervised'),
    ('without the answer reading that box', ['no_support'], 'every step supervised'),
    ("without the answer reading the query's object", ['no_query'], 'every step supervised'),
    ('without coordinates reading edges', ['no_edges'], 'every step supervised'),
]
