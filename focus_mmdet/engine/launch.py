"""Begin and end runs: what must exist, and several processes."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import distributed

from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm import check_pretrained


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


def check_inputs(config: Config) -> None:
    """Look for the model folder and annotation files before loading gigabytes.

    Raises:
        InputError: One is missing; the message says what to fetch.
    """
    if config.model.get('type') == 'FocusDetector':
        check_pretrained(config.model.pretrained)
    start = config.get('load_from')
    if start and '://' not in start and not Path(start).is_file():
        raise InputError(
            f'{start}: no such checkpoint (load_from, or the checkpoint given). Train the earlier stage '
            'first, or set load_from=/path/to/checkpoint.pth'
        )
    for dataset in _episode_datasets(config.to_dict()):
        path = Path(dataset.get('data_root') or '') / dataset.get('ann_file', '')
        if not path.is_file():
            raise InputError(
                f'{path}: no such annotation file. Put the dataset there as the README\'s "Your own data" '
                'says, or set data_root and ann_file of the dataset in the config'
            )


def _episode_datasets(node: Any) -> Iterator[dict[str, Any]]:
    """Configs of every EpisodeDataset anywhere in a config."""
    if isinstance(node, dict):
        if node.get('type') == 'EpisodeDataset':
            yield node
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from _episode_datasets(child)


def end_launch() -> None:
    """Part in an orderly way, once no runner is in use any more.

    A rank that exits early aborts the others. A wrapped model that is still
    alive keeps gloo's threads alive, which abort Python on its way out.
    """
    if distributed.is_initialized():
        gc.collect()
        distributed.barrier()
        distributed.destroy_process_group()
