"""Begin and end runs: what must exist, and several processes."""

import gc
import os
from collections.abc import Iterator, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from mmdet.evaluation import CocoMetric
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from torch import distributed

from focus_mmdet.datasets.weighted_dataset_sampler import check_weights
from focus_mmdet.engine.checkpoints.loading import check_local
from focus_mmdet.engine.effective_batch import batches_per_step
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.evaluation.stock_metrics import check_metric, metric_class
from focus_mmdet.models.vlm.model_folder import model_folder
from focus_mmdet.shipped import about_missing_data
from focus_mmdet.type_name import type_name


def prepare_cpu_launch(config: Config) -> None:
    """Start gloo and wrap the model for CPU, where MMEngine would ask for CUDA.

    Does nothing with a GPU, or without a launcher.
    """
    if config.get('launcher', 'none') == 'none' or torch.cuda.is_available():
        return
    if not distributed.is_initialized():
        distributed.init_process_group('gloo')
    config.setdefault('model_wrapper_cfg', dict(type='MMDistributedDataParallel', broadcast_buffers=False))
    if type_name(config.model_wrapper_cfg) != 'FullyShardedModel':
        config.model_wrapper_cfg.device_ids = None


def check_launcher(launcher: str) -> None:
    """Raise :class:`InputError` where ``--launcher`` was given and no launcher started this process."""
    needed = {
        'pytorch': ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'),
        'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_NODELIST'),
        'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_LOCAL_RANK', 'OMPI_COMM_WORLD_SIZE', 'MASTER_ADDR'),
    }
    lacking = [name for name in needed.get(launcher, ()) if name not in os.environ]
    if lacking:
        raise InputError(
            f'--launcher {launcher}: the environment lacks {", ".join(lacking)}. Start the processes with '
            'tools/dist_train.sh, dist_test.sh, slurm_*.sh or mpirun, or leave --launcher out'
        )


def loader_config(config: Config, key: str) -> Any:
    """The dataloader of a config, or :class:`InputError` where there is none."""
    if not (config.get(key) or {}).get('dataset'):
        raise InputError(f'the config has no {key} with a dataset; add it, or name another config')
    return config[key]


def check_inputs(config: Config, loaders: Sequence[str]) -> None:
    """Look for what a run needs before loading gigabytes.

    Args:
        config: Of the run.
        loaders: Keys of the dataloaders it will use.

    Raises:
        InputError: Something is missing; the message says what to fetch.
    """
    if type_name(config.model) == 'FocusDetector':
        model_folder(config.model.get('pretrained'))
    start = config.get('load_from')
    if start:
        check_local(start)
    if start and not Path(start).is_file():
        raise InputError(
            f'{start}: no such checkpoint (load_from, or the checkpoint given). Train the earlier stage '
            'first, or set load_from=/path/to/checkpoint.pth'
        )
    for dataset in _episode_datasets([config.get(key) for key in loaders]):
        path = Path(dataset.get('data_root') or '') / (dataset.get('ann_file') or '')
        if not path.is_file():
            raise InputError(f'{path}: no such annotation file. {about_missing_data(path)}')
    for key in loaders:
        _check_complete(config, key.removesuffix('_dataloader'))
        options = config.get(key) or {}
        if options.get('persistent_workers') and not options.get('num_workers'):
            raise InputError(
                f'{key}.num_workers=0: there are no workers to keep; set {key}.persistent_workers=False'
            )
        sampler = options.get('sampler') or {}
        if type_name(sampler) == 'WeightedDatasetSampler':
            check_weights(sampler.get('weights'), options['dataset'].get('datasets'))
        _check_metrics(config, key.removesuffix('_dataloader'))


def _check_complete(config: Config, phase: str) -> None:
    """Refuse a phase of which a part is missing; training goes without validation."""
    other = 'optim_wrapper' if phase == 'train' else f'{phase}_evaluator'
    parts = [f'{phase}_dataloader', f'{phase}_cfg', other]
    lacking = [part for part in parts if not config.get(part)]
    if phase == 'val' and lacking == parts:
        return
    if lacking:
        raise InputError(f'the config has no {", ".join(lacking)}; it takes {", ".join(parts)}')
    loader_config(config, parts[0])


def _check_metrics(config: Config, phase: str) -> None:
    """Refuse metrics that would refuse the episodes themselves, but after training or a whole test."""
    dataset = (config.get(f'{phase}_dataloader') or {}).get('dataset')
    evaluator: Any = config.get(f'{phase}_evaluator') or []
    several = type_name(evaluator) == 'MultiDatasetsEvaluator'
    metrics = evaluator.get('metrics', []) if several else evaluator
    metrics = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    if any(_episode_datasets(dataset)):
        for metric in metrics:
            check_metric(metric_class(metric), bool(metric.get('ann_file')))
    by_id = not several and any(issubclass(metric_class(metric), CocoMetric) for metric in metrics)
    if type_name(dataset) == 'ConcatDataset' and by_id:
        raise InputError(
            f'{phase}_evaluator: one CocoMetric over a ConcatDataset takes episodes of two datasets with one '
            "img_id for the same. Give each dataset its own metric: dict(type='MultiDatasetsEvaluator', "
            'metrics=[...], dataset_prefixes=[...])'
        )


def check_numbers(config: Config) -> None:
    """Raise :class:`InputError` for counts that MMEngine would stumble over later."""
    lowest = {
        'train_cfg.max_iters': 0,
        'train_cfg.val_interval': 1,
        'optim_wrapper.accumulative_counts': 1,
        'train_dataloader.batch_size': 1,
        'val_dataloader.batch_size': 1,
        'test_dataloader.batch_size': 1,
        'train_dataloader.num_workers': 0,
        'val_dataloader.num_workers': 0,
        'test_dataloader.num_workers': 0,
        'auto_scale_lr.base_batch_size': 1,
    }
    for key, low in lowest.items():
        section, name = key.split('.')
        value = (config.get(section) or {}).get(name)
        if value is not None:
            check_number(key, value, low=low, whole=True)
    seed = (config.get('randomness') or {}).get('seed')
    if seed is not None:
        check_number('randomness.seed', seed, low=0, high=2**32 - 1, whole=True)
    optimizer = (config.get('optim_wrapper') or {}).get('optimizer') or {}
    for name in {'lr', 'weight_decay'} & optimizer.keys():
        check_number(f'optim_wrapper.optimizer.{name}', optimizer[name], low=0)
    clip = (config.get('optim_wrapper') or {}).get('clip_grad') or {}
    if 'max_norm' in clip:
        check_number('optim_wrapper.clip_grad.max_norm', clip['max_norm'], low=1e-9)


def check_effective_batch(config: Config) -> None:
    """Raise :class:`InputError` where the processes cannot share ``train_cfg.effective_batch`` evenly."""
    effective = (config.get('train_cfg') or {}).get('effective_batch')
    if effective is not None:
        batch_size = loader_config(config, 'train_dataloader').get('batch_size', 1)
        accumulated = (config.get('optim_wrapper') or {}).get('accumulative_counts')
        count = {'pytorch': 'WORLD_SIZE', 'slurm': 'SLURM_NTASKS', 'mpi': 'OMPI_COMM_WORLD_SIZE'}
        processes = int(os.environ[count[config.launcher]]) if config.get('launcher') in count else 1
        batches_per_step(effective, batch_size, processes, accumulated)


def check_saving(config: Config) -> None:
    """Raise :class:`InputError` for checkpoints that a kill would leave useless, or no hook that saves."""
    for name, hook in (config.get('default_hooks') or {}).items():
        if hook is not None and not (isinstance(hook, dict) and 'type' in hook):
            raise InputError(f'default_hooks.{name}={hook}: a hook needs a type; is its name misspelt?')
    saver = (config.get('default_hooks') or {}).get('checkpoint') or {}
    known = {
        *signature(CheckpointHook).parameters,
        *signature(Runner.save_checkpoint).parameters,
        'type',
        'priority',
    }
    for key in saver.keys() - known:
        raise InputError(f'default_hooks.checkpoint.{key}: neither CheckpointHook nor saving knows it')
    interval = saver.get('interval', -1)
    check_number('default_hooks.checkpoint.interval', interval, whole=True)
    check_number('default_hooks.checkpoint.max_keep_ckpts', saver.get('max_keep_ckpts', -1), whole=True)
    accumulated = (config.get('optim_wrapper') or {}).get('accumulative_counts', 1)
    if not saver.get('by_epoch', True) and interval > 0 and interval % accumulated:
        raise InputError(
            f'default_hooks.checkpoint.interval={interval} is no multiple of '
            f'optim_wrapper.accumulative_counts={accumulated}: no checkpoint holds the gradients of half a '
            f'step. Set it to {interval - interval % accumulated + accumulated}'
        )
    if saver.get('max_keep_ckpts') == 1:
        raise InputError(
            'default_hooks.checkpoint.max_keep_ckpts=1: keep 2, because the old one goes before the new one '
            'is written, and a kill between them would leave none'
        )


def check_schedule(config: Config) -> None:
    """Raise :class:`InputError` for a learning rate that ends at 0 before training, or stays at its start."""
    last = (config.get('train_cfg') or {}).get('max_iters')
    schedulers = config.get('param_scheduler') or []
    for place, scheduler in enumerate([schedulers] if isinstance(schedulers, dict) else schedulers):
        for name in {'begin', 'end'} & scheduler.keys():
            check_number(f'param_scheduler.{place}.{name}', scheduler[name], low=0, whole=True)
        if type_name(scheduler) == 'LinearLR' and scheduler.get('end', 2) - scheduler.get('begin', 0) < 2:
            raise InputError(
                f'param_scheduler: LinearLR from {scheduler.get("begin", 0)} to {scheduler.end} stays at its '
                'start_factor for the whole run. Give it at least 2 iterations, or leave it out'
            )
        ends_at_zero = type_name(scheduler) == 'CosineAnnealingLR' and not scheduler.get('eta_min')
        if (
            last
            and ends_at_zero
            and not scheduler.get('by_epoch', True)
            and scheduler.get('end', last) < last
        ):
            raise InputError(
                f'param_scheduler ends at iteration {scheduler.end} with a learning rate of 0, but '
                f'train_cfg.max_iters={last}: set the ends of param_scheduler too'
            )


def _episode_datasets(node: Any) -> Iterator[dict[str, Any]]:
    """Configs of every EpisodeDataset anywhere in a config."""
    if isinstance(node, dict):
        if type_name(node) == 'EpisodeDataset':
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
