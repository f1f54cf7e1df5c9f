"""Train a model: MMDetection's tools/train.py for FOCUS configs."""

import argparse
import logging
import os
import sys
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.cli import KeyValues, check_folder, read_config, run_cli
from focus_mmdet.engine.checkpoints.loading import find_readable_checkpoint
from focus_mmdet.engine.launch import (
    check_effective_batch,
    check_inputs,
    check_launcher,
    check_numbers,
    check_saving,
    check_schedule,
    end_launch,
    prepare_cpu_launch,
)
from focus_mmdet.engine.runner import FocusRunner
from focus_mmdet.errors import InputError, check_choice
from focus_mmdet.type_name import type_name


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale lr to the batch of a step')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='continue from a checkpoint; without a path, from the latest of the work dir',
    )
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser.parse_args()


def load_config(args: argparse.Namespace) -> Config:
    """The config file under the command line's options."""
    check_launcher(args.launcher)
    config = read_config(args.config, args.cfg_options)
    config.launcher = args.launcher
    if args.work_dir:
        config.work_dir = args.work_dir
    elif config.get('work_dir') is None:
        config.work_dir = f'work_dirs/{Path(config.filename).stem}'
    check_folder('--work-dir', config.work_dir)
    check_choice('log_level', config.get('log_level', 'INFO'), logging.getLevelNamesMapping())
    return config


def use_amp(config: Config) -> None:
    """Switch the optimizer wrapper to mixed precision."""
    if not torch.cuda.is_available():
        raise InputError('--amp needs a GPU')
    wrapper: ConfigDict = config.optim_wrapper
    name = type_name(wrapper) or 'OptimWrapper'
    if name not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise InputError(f'--amp needs optim_wrapper.type OptimWrapper, not {name}')
    wrapper.type = 'AmpOptimWrapper'
    wrapper.setdefault('loss_scale', 'dynamic')
    wrapper.setdefault(
        'dtype', 'bfloat16' if config.model.bbox_head.get('dtype') == 'bfloat16' else 'float16'
    )


def resume(config: Config, checkpoint: str) -> None:
    """Continue from ``checkpoint``, or the latest of the work dir where it is 'auto'."""
    if checkpoint == 'auto':
        found = find_readable_checkpoint(config.work_dir)
        if found is None:
            print(f'{config.work_dir}: no checkpoint to resume, starting anew')
            return
        checkpoint = found
    config.resume, config.load_from = True, checkpoint


def train(config: Config) -> int:
    """Exit status of a run that nothing holds any more, as :func:`end_launch` needs it."""
    try:
        FocusRunner.from_cfg(config).train()
    except SystemExit as stop:  # GracefulStopHook, in every process alike
        return int(stop.code or 0)
    return 0


def main() -> None:
    args = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    config = load_config(args)
    if args.amp:
        use_amp(config)
    if args.auto_scale_lr:
        if 'base_batch_size' not in (config.get('auto_scale_lr') or {}):
            raise InputError(f'{args.config}: --auto-scale-lr needs auto_scale_lr.base_batch_size')
        config.auto_scale_lr.enable = True
    if args.resume is not None:
        resume(config, args.resume)
    check_numbers(config)
    check_effective_batch(config)
    check_saving(config)
    check_schedule(config)
    check_inputs(config, ['train_dataloader', 'val_dataloader'])
    prepare_cpu_launch(config)
    status = train(config)
    end_launch()
    sys.exit(status)


if __name__ == '__main__':
    run_cli(main)
