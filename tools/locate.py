"""Find the object of some pictures in other pictures.

    python tools/locate.py --support a.jpg:12,40,200,310 --query b.jpg c.jpg --out-dir out

A support is a picture and the object's box in it, x1,y1,x2,y2 in pixels.
Without --config and --checkpoint: the tiny model that tools/quickstart.sh trained.
"""

import argparse
import json
from pathlib import Path

import mmcv

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.cli import check_folder, read_config, run_cli
from focus_mmdet.errors import InputError


def parse_support(text: str) -> tuple[str, list[float]]:
    """``path:x1,y1,x2,y2`` to path and box."""
    path, separator, numbers = text.rpartition(':')
    try:
        box = [float(number) for number in numbers.split(',')]
    except ValueError:
        box = []
    if not separator or len(box) != 4:
        raise InputError(f'--support {text}: write PICTURE:x1,y1,x2,y2')
    return path, box


def quickstart_checkpoint() -> str:
    """What the quick start trained last."""
    pointer = Path('work_dirs/quickstart/stage2/last_checkpoint')
    if not pointer.is_file():
        raise InputError('give --config and --checkpoint, or run bash tools/quickstart.sh first')
    return pointer.read_text().strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--config', default='configs/focus_tiny_stage2.py')
    parser.add_argument('--checkpoint', help="checkpoint file, or 'none' for the pretrained model as it is")
    parser.add_argument('--support', nargs='+', required=True, metavar='PICTURE:x1,y1,x2,y2')
    parser.add_argument('--query', nargs='+', required=True, metavar='PICTURE')
    parser.add_argument('--out-dir', type=Path, required=True)
    parser.add_argument('--device')
    args = parser.parse_args()
    supports = [parse_support(text) for text in args.support]
    check_folder('--out-dir', args.out_dir)
    checkpoint = args.checkpoint or quickstart_checkpoint()
    config = read_config(args.config)
    inferencer = InContextInferencer(config, None if checkpoint == 'none' else checkpoint, args.device)
    for index, query in enumerate(args.query):
        (found,) = inferencer(supports, [query])
        picture = args.out_dir / f'{index:03d}_{Path(query).stem}.png'
        mmcv.imwrite(mmcv.rgb2bgr(found.picture), str(picture))
        box = None if found.box is None else [round(value, 1) for value in found.box]
        print(
            json.dumps({'query': query, 'box': box, 'score': round(found.score, 4), 'picture': str(picture)})
        )


if __name__ == '__main__':
    run_cli(main)
