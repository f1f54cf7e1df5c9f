"""Fit a model's scores on validation episodes, so that they say how often an answer is right.

    python tools/analysis_tools/calibrate_scores.py CONFIG CHECKPOINT --out calibrated.py

asks the config's val_dataloader and writes a config that inherits from CONFIG and holds what was fitted
(model.bbox_head.score_calibration and score_likeness, or model.score_calibration of a FeatureMatcher). Tests
and the inferencer use it where they are given that config.
Only likeness changes the order of the answers. What is printed of the calibration error is without --prior.
"""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.cli import KeyValues, check_folder, read_config, run_cli
from focus_mmdet.datasets.conversion.output_file import check_replaceable, write_whole
from focus_mmdet.engine.launch import check_inputs
from focus_mmdet.errors import InputError
from focus_mmdet.shipped_configs import find_config
from focus_mmdet.type_name import type_name

#: How a config begins that this tool wrote.
BEGINNING = r'""".* with scores fitted on its validation episodes to '
TEXT = """\"\"\"{config} with scores fitted on its validation episodes to {checkpoint}.\"\"\"

_base_ = {base!r}

model = {model}
"""


def calibrated(model: Mapping[str, Any]) -> list[str]:
    """The keys to the part of a model's config that takes ``score_calibration``.

    Raises:
        InputError: None does.
    """
    if model.get('bbox_head'):
        return ['model', 'bbox_head']
    if type_name(model) == 'FeatureMatcher':
        return ['model']
    raise InputError(f'model.type {model.get("type")} has no scores to fit')


def judge(config: Config, checkpoint: str, threshold: float) -> dict[str, float]:
    """Figures of the validation episodes under scores that nothing has been fitted to."""
    config = Config(config.to_dict())
    config.load_from = None if checkpoint == 'none' else checkpoint
    holder = calibrated(config.model)
    raw: dict[str, Any] = {'score_calibration': (1.0, 0.0)}
    if 'bbox_head' in holder:
        raw['score_likeness'] = 0.0
    config.merge_from_dict({'.'.join([*holder, key]): value for key, value in raw.items()})
    config.test_dataloader, config.test_cfg = config.val_dataloader, dict(type='TestLoop')
    config.test_evaluator = [
        dict(type='InContextMetric'),
        dict(type='ScoreCalibration', threshold=threshold),
    ]
    check_inputs(config, ['test_dataloader'])
    figures: dict[str, float] = Runner.from_cfg(config).test()
    return figures


def check_out(out: Path, config: str) -> None:
    """Raise :class:`InputError` where no config that inherits from ``config`` can be written to ``out``."""
    check_folder('--out', out.absolute().parent)
    if out.suffix != '.py':
        raise InputError(f'--out {out}: a config in Python; give a name that ends with .py')
    if out.resolve() == Path(config).resolve():
        raise InputError(f'--out {out}: it would inherit from itself; give another file than CONFIG')
    check_replaceable(out, BEGINNING)


def log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint', help="checkpoint file, or 'none' for the pretrained model as it is")
    parser.add_argument('--out', type=Path, metavar='CONFIG', help='config to write')
    parser.add_argument(
        '--threshold',
        type=float,
        default=0.5,
        help='IoU of a right answer; 0 asks only whether the query shows the object; default: %(default)s',
    )
    parser.add_argument(
        '--prior',
        type=float,
        help='share of right answers to be expected where the scores will be used, e.g. 0.1 where one\n'
        'picture in ten shows the object; default: as of the validation episodes',
    )
    parser.add_argument('--work-dir', default='work_dirs/calibrate')
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    if args.prior is not None and not 0 < args.prior < 1:
        raise InputError(f'--prior {args.prior}: give a number between 0 and 1')
    check_folder('--work-dir', args.work_dir)
    if args.out is not None:
        check_out(args.out, args.config)
    config = read_config(args.config, args.cfg_options)
    if not config.get('val_dataloader'):
        raise InputError(f'{args.config}: no val_dataloader, whose episodes scores are fitted on')
    holder = calibrated(config.model)
    config.work_dir, config.log_level = args.work_dir, 'WARNING'
    figures = judge(config, args.checkpoint, args.threshold)
    if not figures['score/answers']:
        raise InputError(f'{args.checkpoint}: no answer on the validation episodes can be read')
    # As it will be written.
    if round(figures['score/scale'], 4) <= 0:
        raise InputError(
            f'{args.checkpoint}: on the {figures["score/answers"]:.0f} validation answers higher scores are '
            'not right more often. Train longer, or give more validation episodes'
        )
    for name in ('presence_auroc', 'presence_ap', 'gallery_ap'):
        if (figure := figures.get(f'in_context/{name}')) is not None:
            print(f'{name}: {figure:.4f}')
    if 'score/auroc' in figures:
        print(
            f'right before wrong answers (AUROC): {figures["score/auroc"]:.4f}, '
            f'fitted {figures["score/auroc_fitted"]:.4f}'
        )
    print(
        f'calibration error: {figures["score/ece"]:.4f}, fitted {figures["score/ece_fitted"]:.4f} '
        f'({figures["score/answers"]:.0f} answers)'
    )
    scale, offset = figures['score/scale'], figures['score/offset']
    if args.prior is not None:
        if figures['score/right'] == 1:
            raise InputError('--prior: all validation answers are right; give episodes that lack the object')
        offset += log_odds(args.prior) - log_odds(figures['score/right'])
    fitted = {'score_calibration': f'({scale:.4f}, {offset:.4f})'}
    if 'score/likeness' in figures:
        fitted['score_likeness'] = f'{figures["score/likeness"]:.4f}'
    options = [f"'{'.'.join([*holder, key])}={value.replace(' ', '')}'" for key, value in fitted.items()]
    print(f'--cfg-options {" ".join(options)}')
    if args.out is not None:
        shipped = args.config.startswith('focus_mmdet::')
        base = args.config if shipped else str(Path(find_config(args.config)).absolute())
        model = f'dict({", ".join(f"{key}={value}" for key, value in fitted.items())})'
        for key in holder[:0:-1]:
            model = f'dict({key}={model})'
        text = TEXT.format(config=args.config, checkpoint=args.checkpoint, base=base, model=model)
        write_whole(args.out, text.encode())


if __name__ == '__main__':
    run_cli(main)
