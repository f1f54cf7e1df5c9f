"""Test several checkpoints on the same episodes and print one table.

    python tools/analysis_tools/compare_checkpoints.py CONFIG base=none tuned=work_dirs/x/iter_800.pth \
        features=configs/feature_matcher_mobilenet_v2.py

'none' is the pretrained model as it is; a config in a checkpoint's place is tested as it is, from its
load_from, and must ask the same test episodes: --cfg-options whose keys begin with test_ go over it, too.
Baselines that take no training stand beside them: copy the last support's box, the median of all true
boxes for every query, and, where a row's metric has matcher=True, correlation with the support's crop.
Of several test sets each has its table. The last line is JSON: mIoU by name, of each set where there are
several.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.cli import KeyValues, check_folder, name_values, read_config, run_cli
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


def read_rows(
    config: str, pairs: Sequence[str], options: dict[str, Any] | None
) -> dict[str, tuple[Config, str | None]]:
    """Config and checkpoint of each row by its name.

    Args:
        config: File, of rows that are checkpoints.
        pairs: As on the command line.
        options: Go over that config; those of the test set go over the rows' own, too.

    Raises:
        InputError: A pair is none, two have one name, or a config cannot be read.
    """
    common = read_config(config, options)
    asked = {key: value for key, value in (options or {}).items() if key.startswith('test_')}
    rows: dict[str, tuple[Config, str | None]] = {}
    for name, tested in name_values(pairs, 'NAME=CHECKPOINT, NAME=none or NAME=CONFIG.py').items():
        if tested.endswith('.py'):
            own = read_config(tested, asked)
            rows[name] = own, own.get('load_from')
        else:
            rows[name] = common, None if tested == 'none' else tested
    return rows


def compare(rows: Mapping[str, tuple[Config, str | None]], work_dir: str) -> dict[str, dict[str, Row]]:
    """Figures by test set, then by the names of :func:`read_rows`.

    Raises:
        InputError: Rows are not of the same episodes.
    """
    sets: dict[str, dict[str, Row]] = {}
    for name, (config, checkpoint) in rows.items():
        config.work_dir, config.log_level = work_dir, 'WARNING'
        tested = evaluate(config, checkpoint)
        if tested.keys() != (sets or tested).keys():
            raise InputError(
                f'{name}: its test sets are {sorted(tested)}, those of the others {sorted(sets)}. '
                'Give its config the same test_dataloader and test_evaluator'
            )
        for test_set, row in tested.items():
            others = sets.setdefault(test_set, {})
            others[name] = row
            check_same_episodes(name, row, next(iter(others.values())))
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
    sets = compare(read_rows(args.config, args.checkpoints, args.cfg_options), args.work_dir)
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
