"""Test several checkpoints on the same episodes and print one table.

    python tools/analysis_tools/compare_checkpoints.py CONFIG base=none tuned=work_dirs/x/iter_800.pth \
        features=configs/feature_matcher_mobilenet_v2.py

'none' is the pretrained model as it is; a config in a checkpoint's place is tested as it is, and must
ask the same test episodes. Baselines that take no training stand
beside them: copy the last support's box, the median of all true boxes for every
query, and, where the config's metric has matcher=True, correlation with the
support's crop. The last line is JSON: mIoU by name.
"""

import argparse
import json

from mmengine.config import Config
from mmengine.runner import Runner

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.cli import KeyValues, check_folder, read_config, run_cli
from focus_mmdet.engine.launch import check_inputs
from focus_mmdet.errors import InputError

COLUMNS = ('mIoU', 'acc@0.5', 'acc@0.75', 'parse_rate')


def evaluate(config: Config, checkpoint: str) -> dict[str, float]:
    """Metrics of one checkpoint on the test episodes of ``config``."""
    config = Config(config.to_dict())
    config.load_from = None if checkpoint == 'none' else checkpoint
    check_inputs(config, ['test_dataloader'])
    metrics: dict[str, float] = Runner.from_cfg(config).test()
    return {name.removeprefix('in_context/'): value for name, value in metrics.items()}


def check_same_episodes(name: str, row: dict[str, float], other: dict[str, float]) -> None:
    """Raise :class:`InputError` where two rows cannot be compared.

    What the copied boxes reach tells episodes apart, and does not depend on how images are resized.
    """
    for figure in ('episodes', 'copy_support_mIoU'):
        if abs(row.get(figure, 0.0) - other.get(figure, 0.0)) > 1e-3:
            figures = f'{figure} {row.get(figure)} and {other.get(figure)}'
            raise InputError(
                f'{name}: its test episodes are others ({figures}). Give its config the '
                'same test_dataloader.dataset but for the pipeline'
            )


def table(rows: dict[str, dict[str, float]]) -> str:
    """Aligned text, one line per checkpoint."""
    width = max(len(name) for name in rows)
    lines = [' ' * width + ''.join(f'{column:>12}' for column in COLUMNS)]
    for name, row in rows.items():
        cells = (f'{row[column]:12.4f}' if column in row else f'{"-":>12}' for column in COLUMNS)
        lines.append(f'{name:<{width}}' + ''.join(cells))
    return '\n'.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoints', nargs='+', metavar='NAME=CHECKPOINT')
    parser.add_argument('--work-dir', default='work_dirs/compare')
    parser.add_argument('--note', help='printed below the table')
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    check_folder('--work-dir', args.work_dir)
    config = read_config(args.config, args.cfg_options)

    rows: dict[str, dict[str, float]] = {}
    baselines: dict[str, float] = {}
    for pair in args.checkpoints:
        name, separator, checkpoint = pair.partition('=')
        if not separator:
            raise InputError(f'{pair}: give NAME=CHECKPOINT, NAME=none or NAME=CONFIG.py')
        of_row, checkpoint = (
            (read_config(checkpoint), 'none') if checkpoint.endswith('.py') else (config, checkpoint)
        )
        of_row.work_dir, of_row.log_level = args.work_dir, 'WARNING'
        rows[name] = evaluate(of_row, checkpoint)
        baselines = baselines or rows[name]
        check_same_episodes(name, rows[name], baselines)
    episodes = int(baselines['episodes'])
    for name in ('copy_support', 'fixed_box', 'matcher'):
        if f'{name}_mIoU' in baselines:
            rows[name] = {'mIoU': baselines[f'{name}_mIoU']}
    print(f'\n{episodes} test episodes of {args.config}\n{table(rows)}')
    if args.note:
        print(args.note)
    print(json.dumps({name: round(row['mIoU'], 4) for name, row in rows.items()}))


if __name__ == '__main__':
    run_cli(main)
