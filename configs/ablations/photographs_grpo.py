"""GRPO on photographs, after any of the arms of stage 1."""

_base_ = '../quickstart/quickstart_stage2.py'

model = dict(pretrained='work_dirs/random-small')

parts = _base_.train_dataloader.dataset.datasets
one_shot = [dict(part, episodes=dict(part.episodes, shots=1)) for part in parts]
train_dataloader = dict(dataset=dict(datasets=one_shot))
load_from = 'work_dirs/photographs_stage1/iter_300.pth'
