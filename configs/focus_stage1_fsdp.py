"""Stage 1 with weights, gradients and optimizer state spread over the GPUs (FSDP2).

For full fine-tuning, and for models that do not fit one GPU with what training
adds; else DDP is faster. ZeRO-2 in place of ZeRO-3:
``--cfg-options model_wrapper_cfg.reshard_after_forward=False``.
"""

_base_ = ['focus_stage1.py']

model_wrapper_cfg = dict(type='FullyShardedModel')
