"""Stage 1 on TAO alone, as the paper's ablation table: its row SFT + attention."""

_base_ = '../focus_stage1.py'

train_dataloader = dict(dataset=dict(_delete_=True, **_base_.tao_train))
