"""Test a model: MMDetection's tools/test.py for FOCUS configs."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS, METRICS, VISUALIZERS
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner
from train import load_config

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.cli import KeyValues, check_folder, run_cli
from focus_mmdet.datasets.collate import NO_TTA
from focus_mmdet.engine.hooks import EpisodeVisualizationHook
from focus_mmdet.engine.launch import check_inputs, check_numbers, end_launch, prepare_cpu_launch
from focus_mmdet.engine.registered import is_registered
from focus_mmdet.engine.runner import FocusRunner
from focus_mmdet.errors import InputError
from focus_mmdet.type_name import type_name
from focus_mmdet.visualization import EpisodeVisualizer


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help="checkpoint file, or 'none' for the pretrained model as it is")
    parser.add_argument('--work-dir', help='folder of logs and metrics')
    parser.add_argument('--out', help='write predictions to this pickle file (.pkl)')
    parser.add_argument('--show-dir', help='write pictures of the episodes to this folder')
    parser.add_argument('--tta', action='store_true', help='refused: there is no test-time augmentation')
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser.parse_args()


class PredictionsHook(Hook):
    """Writes the predictions once the figures are printed.

    As one more metric it would come before them, and among those of a
    ``MultiDatasetsEvaluator`` not at all.
    """

    def __init__(self, path: str) -> None:
        self.evaluator = Evaluator(METRICS.build(dict(type='DumpDetResults', out_file_path=path)))

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence | None = None
    ) -> None:
        self.evaluator.process(outputs or [], data_batch)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self.evaluator.evaluate(len(runner.test_dataloader.dataset))


def test(config: Config, out: str | None) -> dict[str, float]:
    """Build the runner and test; figures by name. Predictions go to ``out``."""
    runner = FocusRunner.from_cfg(config)
    if out is not None:
        runner.register_hook(PredictionsHook(out), priority='LOWEST')
    figures: dict[str, float] = runner.test()
    return figures


def draw_into(config: Config, folder: str) -> None:
    """Draw whole episodes, also where the config has MMDetection's hook and visualizer, or none."""
    hooks = config.setdefault('default_hooks', {})
    if not is_registered(type_name(hooks.get('visualization')), EpisodeVisualizationHook, HOOKS):
        hooks['visualization'] = dict(type='EpisodeVisualizationHook')
    hooks['visualization'].update(draw=True, test_out_dir=str(Path(folder).absolute()))
    if not is_registered(type_name(config.get('visualizer')), EpisodeVisualizer, VISUALIZERS):
        config.visualizer = dict(type='EpisodeVisualizer', name='visualizer')


def main() -> None:
    args = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.tta:
        raise InputError(NO_TTA)
    if args.out is not None and not args.out.endswith(('.pkl', '.pickle')):
        raise InputError(f'--out {args.out}: the file must end in .pkl or .pickle')
    if args.out is not None:
        check_folder('--out', Path(args.out).absolute().parent)
        if Path(args.out).is_dir():
            raise InputError(f'--out {args.out}: is a folder')
    check_folder('--show-dir', args.show_dir)
    config = load_config(args)
    config.load_from = None if args.checkpoint == 'none' else args.checkpoint
    config.resume = False
    if args.show_dir is not None:
        draw_into(config, args.show_dir)
    check_numbers(config)
    check_inputs(config, ['test_dataloader'])
    prepare_cpu_launch(config)
    test(config, args.out)
    end_launch()


if __name__ == '__main__':
    run_cli(main)
