"""Test several checkpoints on the same episodes and print one table.

    python tools/analysis_tools/compare_checkpoints.py CONFIG base=none tuned=work_dirs/x/iter_800.pth \
        features=configs/feature_matcher_mobilenet_v2.py

'none' is the pretrained model as it is; a config in a checkpoint's place is tested as it is, from its
load_from, and must ask the same test episodes. Baselines that take no training stand beside them: copy the
last support's box, the median of all true boxes for every query, and, where a row's metric has
matcher=True, correlation with the support's crop. Of several test sets each has its table. The last line
is JSON: mIoU by name, of each set where there are several.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence

from mmengine.config import Config
from mmengine.runner import Runner

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.cli import KeyValues, check_folder, read_config, run_cli
from focus_mmdet.engine.launch import check_inputs
from focus_mmdet.errors import InputError

COLUMNS = ('mIoU', 'acc@0.5', 'acc@0.75', 'parse_rate')
BASELINES = ('copy_support', 'fixed_box', 'matcher')
Row = dict[str, float]


def evaluate(config: Config, checkpoint: str | None) -> dict[str, Row]:
    """Metrics of one checkpoint by the test set of ``config``, which has no name where there is one."""
    config = Config(config.to_dict())
    config.load_from = checkpoint
    check_inputs(config, ['test_dataloader'])
    sets: dict[str, Row] = defaultdict(dict)
    for name, value in Runner.from_cfg(config).test().items():
        test_set, ours, figure = name.rpartition('in_context/')
        if ours:
            sets[test_set.removesuffix('/')][figure] = value
    if not sets:
        raise InputError('test_evaluator: there is no InContextMetric in it, whose figures are compared')
    return dict(sets)


def check_same_episodes(name: str, row: Row, other: Row) -> None:
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


def with_baselines(rows: dict[str, Row]) -> dict[str, Row]:
    """The rows of a test set, and those of what takes no training."""
    told = {figure: value for row in reversed(rows.values()) for figure, value in row.items()}
    found = [name for name in BASELINES if f'{name}_mIoU' in told]
    return rows | {name: {'mIoU': told[f'{name}_mIoU']} for name in found}


def table(rows: dict[str, Row]) -> str:
    """Aligned text, one line per checkpoint."""
    width = max(len(name) for name in rows)
    lines = [' ' * width + ''.join(f'{column:>12}' for column in COLUMNS)]
    for name, row in rows.items():
        cells = (f'{row[column]:12.4f}' if column in row else f'{"-":>12}' for column in COLUMNS)
        lines.append(f'{name:<{width}}' + ''.join(cells))
    return '\n'.join(lines)


def compare(config: Config, pairs: Sequence[str], work_dir: str) -> dict[str, dict[str, Row]]:
    """Rows by test set, then by name; ``pairs`` are as on the command line.

    Raises:
        InputError: A pair is none, or rows are not of the same episodes.
    """
    sets: dict[str, dict[str, Row]] = {}
    for pair in pairs:
        name, separator, checkpoint = pair.partition('=')
        if not separator:
            raise InputError(f'{pair}: give NAME=CHECKPOINT, NAME=none or NAME=CONFIG.py')
        if checkpoint.endswith('.py'):
            of_row = read_config(checkpoint)
            loaded = of_row.get('load_from')
        else:
            of_row, loaded = config, None if checkpoint == 'none' else checkpoint
        of_row.work_dir, of_row.log_level = work_dir, 'WARNING'
        tested = evaluate(of_row, loaded)
        if tested.keys() != (sets or tested).keys():
            raise InputError(
                f'{name}: its test sets are {sorted(tested)}, those of the others {sorted(sets)}. '
                'Give its config the same test_dataloader and test_evaluator'
            )
        for test_set, row in tested.items():
            rows = sets.setdefault(test_set, {})
            rows[name] = row
            check_same_episodes(name, row, next(iter(rows.values())))
    return sets


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

    sets = compare(config, args.checkpoints, args.work_dir)
    for test_set, rows in sets.items():
        episodes = int(next(iter(rows.values()))['episodes'])
        sets[test_set] = with_baselines(rows)
        where = f'{test_set} of {args.config}' if test_set else args.config
        print(f'\n{episodes} test episodes of {where}\n{table(sets[test_set])}')
    if args.note:
        print(args.note)
    figures = {
        test_set: {name: round(row['mIoU'], 4) for name, row in rows.items()}
        for test_set, rows in sets.items()
    }
    print(json.dumps(figures.get('', figures)))


if __name__ == '__main__':
    run_cli(main)
