"""Begin and end runs of several processes."""

import torch
from mmengine.config import Config
from torch import distributed


def prepare_cpu_launch(config: Config) -> None:
    """Start gloo and wrap the model for CPU, where MMEngine would ask for CUDA.

    Does nothing with a GPU, or without a launcher.
    """
    if config.get('launcher', 'none') == 'none' or torch.cuda.is_available():
        return
    if not distributed.is_initialized():
        distributed.init_process_group('gloo')
    config.setdefault('model_wrapper_cfg', dict(type='MMDistributedDataParallel', broadcast_buffers=False))
    config.model_wrapper_cfg.device_ids = None


def end_launch() -> None:
    """Part in an orderly way: a rank that exits early aborts the others."""
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
