"""The quick start's model after stage 2, its answers elected: draws and region were chosen on validation."""

_base_ = ['quickstart_stage2.py']

model = dict(bbox_head=dict(voting=dict(draws=6, region=2)))
load_from = f'work_dirs/quickstart/stage2/iter_{_base_.max_iters}.pth'
