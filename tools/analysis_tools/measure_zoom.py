"""What a second look and tiles gain on small objects.

    python tools/analysis_tools/measure_zoom.py CONFIG CHECKPOINT --largest 0.05 --tile 320

asks the config's test episodes, in the pixels of their files, about objects that take at most this share
of the image: once, with a second look at the first answer's neighbourhood, and with tiles. The last line
is JSON.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.apis.answers.zoom import check_tiles
from focus_mmdet.apis.inputs.images import read_rgb
from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.cli import KeyValues, read_config, run_cli
from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.engine.asked_records import asked_records, shown_box, shown_supports
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.progress import progress
from focus_mmdet.results.located import Located


def small_episodes(config: Config, smallest: float, largest: float) -> list[dict[str, Any]]:
    """Records of the test episodes whose object takes such a share of its image.

    Raises:
        InputError: There are none, or the test set has no files.
    """
    small = [record for record in asked_records(config) if smallest <= _share(record) <= largest]
    if not small:
        raise InputError(f'no test episode has an object of {smallest:g} to {largest:g} of its image')
    return small


def _share(record: dict[str, Any]) -> float:
    """Of the image, what the object takes; -1 where it is not there."""
    box = shown_box(record)
    if box is None:
        return -1.0
    return float((box[2] - box[0]) * (box[3] - box[1]) / (record['width'] * record['height']))


def answers(
    find: InContextInferencer, record: dict[str, Any], reference: Reference, tile: int
) -> Iterator[tuple[str, Located, float]]:
    """By way of asking: the answer, and the seconds that it took."""
    pixels = read_rgb(record['img_path'], record['img_path'])
    ways: dict[str, dict[str, Any]] = {
        'once': {},
        'zoom': {'zoom': True},
        'tiles': {'tiles': tile},
        'tiles, zoom': {'tiles': tile, 'zoom': True},
    }
    for way, options in ways.items():
        start = perf_counter()
        (located,) = find([pixels], reference, **options)
        yield way, located, perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint', help="checkpoint file, or 'none' for the pretrained model as it is")
    parser.add_argument(
        '--smallest', type=float, default=0.0, help='share of the image; default: %(default)s'
    )
    parser.add_argument(
        '--largest', type=float, default=0.05, help='share of the image; default: %(default)s'
    )
    parser.add_argument('--tile', type=int, default=320, help='side in pixels; default: %(default)s')
    parser.add_argument('--episodes', type=int, default=200, help='ask at most so many; default: %(default)s')
    parser.add_argument('--device')
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    check_number('--smallest', args.smallest, low=0, high=1)
    check_number('--largest', args.largest, low=args.smallest, high=1)
    check_tiles('--tile', args.tile)
    check_number('--episodes', args.episodes, low=1, whole=True)
    config = read_config(args.config, args.cfg_options)
    config.load_from = None if args.checkpoint == 'none' else args.checkpoint
    records = small_episodes(config, args.smallest, args.largest)
    # Evenly over the episodes, which come object by object.
    chosen = np.linspace(0, len(records) - 1, min(args.episodes, len(records))).round().astype(int)
    find = InContextInferencer(config, config.load_from, args.device)

    overlaps: dict[str, list[float]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    for place in progress(chosen.tolist()):
        record = records[place]
        reference = find.remember(shown_supports(record), 'object')
        target = torch.tensor([shown_box(record)], dtype=torch.float32)
        for way, located, took in answers(find, record, reference, args.tile):
            box = torch.tensor([located.box or (0.0, 0.0, 0.0, 0.0)])
            overlaps[way].append(float(paired_iou(box, target)))
            seconds[way] += took
    print(
        f'{len(chosen)} of {len(records)} episodes\n{"":12}{"mIoU":>8}{"+-":>8}{"acc@0.5":>9}{"s/query":>9}'
    )
    for way, ious in overlaps.items():
        values = np.array(ious)
        error = 1.96 * values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float('nan')
        print(
            f'{way:12}{values.mean():8.4f}{error:8.4f}{(values >= 0.5).mean():9.4f}'
            f'{seconds[way] / len(values):9.3f}'
        )
    print(json.dumps({way: round(float(np.mean(ious)), 4) for way, ious in overlaps.items()}))


if __name__ == '__main__':
    run_cli(main)
