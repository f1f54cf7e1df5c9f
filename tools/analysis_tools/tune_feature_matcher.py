"""Choose a FeatureMatcher's settings on validation episodes.

    python tools/analysis_tools/tune_feature_matcher.py CONFIG --levels 11 12 11,12 --sizes 256 320

tries every combination on the config's val_dataloader and prints the best as --cfg-options. A level is a
number, several with commas between, or None, the backbone's last features.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import Tensor

import focus_mmdet  # noqa: F401  registers the components
from focus_mmdet.cli import KeyValues, read_config, run_cli
from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.core.feature_matching import region_box
from focus_mmdet.engine.launch import check_inputs
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.models import FeatureMatcher

THRESHOLDS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)


def level(text: str) -> int | list[int] | None:
    """``None``, a number, or several."""
    if text == 'None':
        return None
    first, *others = map(int, text.split(','))
    return [first, *others] if others else first


def contrasts(model: FeatureMatcher, loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """Per episode that shows the object, the query's map and the (4,) true box in 0..1 of it."""
    for batch in loader:
        data = model.data_preprocessor(batch)
        for sample, contrast in zip(data['data_samples'], model(**data, mode='tensor'), strict=True):
            for box in sample.gt_instances.bboxes:
                height, width = sample.img_shape[:2]
                yield contrast, box / box.new_tensor([width, height, width, height])


def quality(maps: list[tuple[Tensor, Tensor]], threshold: float) -> tuple[float, float]:
    """mIoU and the share of boxes over IoU 0.5."""
    found = torch.stack([region_box(contrast, threshold) for contrast, _ in maps])
    ious = paired_iou(found, torch.stack([box for _, box in maps]))
    return float(ious.mean()), float((ious >= 0.5).float().mean())


def build(config: Config) -> tuple[FeatureMatcher, Any]:
    """The detector, on a GPU where there is one, and the validation episodes."""
    check_inputs(config, ['val_dataloader'])
    init_default_scope(config.get('default_scope') or 'mmdet')
    model = MODELS.build(config.model)
    if not isinstance(model, FeatureMatcher):
        raise InputError(f'model.type {type(model).__name__}: only a FeatureMatcher is tuned')
    model.to('cuda' if torch.cuda.is_available() else 'cpu').eval()
    return model, Runner.build_dataloader(config.val_dataloader)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--levels', nargs='+', type=level, help="default: the config's")
    parser.add_argument('--sizes', nargs='+', type=int, help="default: the config's")
    parser.add_argument(
        '--thresholds', nargs='+', type=float, default=THRESHOLDS, help='default: %(default)s'
    )
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    for size in args.sizes or []:
        check_number('--sizes', size, low=32, whole=True)
    for threshold in args.thresholds:
        check_number('--thresholds', threshold, low=0, high=1)
    config = read_config(args.config, args.cfg_options)
    model, loader = build(config)
    if config.val_dataloader.dataset == (config.get('test_dataloader') or {}).get('dataset'):
        print('note: these are the test episodes too; settings chosen on them flatter the test')

    tried: dict[str, float] = {}
    print(f'{len(loader.dataset)} episodes\n{"mIoU":>8}{"acc@0.5":>9}')
    for size in args.sizes or [model.size]:
        for place in args.levels or [model.backbone.level]:
            model.size, model.backbone.level = size, place
            maps = list(contrasts(model, loader))
            if not maps:
                raise InputError(
                    'val_dataloader: none of its queries shows the object; give episodes that do'
                )
            for threshold in args.thresholds:
                shown = ','.join(map(str, place)) if isinstance(place, list) else place
                options = f'model.backbone.level={shown} model.size={size} model.threshold={threshold:g}'
                tried[options], share = quality(maps, threshold)
                print(f'{tried[options]:8.4f}{share:9.4f}  {options}', flush=True)
    print(f'best: --cfg-options {max(tried, key=tried.__getitem__)}')


if __name__ == '__main__':
    run_cli(main)
