"""The arms of the paper's Table 3, and one in which every step to the answer is supervised.

An ablation names its trainings ``sft``, ``paper``, ``steps`` and ``grpo``.
"""

#: (title, steps, the arm it is compared with).
arms = [
    ('vanilla', [], None),
    ('SFT', ['sft'], 'vanilla'),
    ("SFT + the paper's attention loss", ['paper'], 'SFT'),
    ('SFT + every step supervised', ['steps'], 'SFT'),
    ('GRPO', ['grpo'], 'vanilla'),
    ('SFT + GRPO', ['sft', 'grpo'], 'SFT'),
    ("SFT + the paper's attention loss + GRPO", ['paper', 'grpo'], "SFT + the paper's attention loss"),
    ('SFT + every step supervised + GRPO', ['steps', 'grpo'], 'SFT + every step supervised'),
]
