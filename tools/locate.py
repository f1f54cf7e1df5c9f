"""Find the object of some pictures in other pictures.

    python tools/locate.py --support a.jpg:12,40,200,310 --query b.jpg c.jpg --out-dir out

A support is a picture and the object's box in it, x1,y1,x2,y2 in pixels. A frame of a video is
clip.mp4#120, counted from 0 as it plays (the video is read from its beginning); a query may be a
whole video, of which each --every-th frame is asked.
Without --config and --checkpoint: the tiny model that tools/quickstart.sh trained.
"""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

import mmcv

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.apis.inferencer import Image, Support
from focus_mmdet.cli import KeyValues, check_folder, read_config, run_cli
from focus_mmdet.datasets.video import is_video, read_frames
from focus_mmdet.errors import InputError


def open_frame(text: str) -> Image:
    """A picture's path as it is, ``clip.mp4#120`` as its frame."""
    path, _, number = text.rpartition('#')
    if not is_video(path) and not is_video(text):
        return text
    if not number.isdecimal():
        raise InputError(f'{text}: write VIDEO#FRAME, frames counted from 0')
    return next(read_frames(path, first=int(number)))[1]


def parse_support(text: str) -> Support:
    """``path:x1,y1,x2,y2`` to image and box."""
    path, separator, numbers = text.rpartition(':')
    try:
        box = [float(number) for number in numbers.split(',')]
    except ValueError:
        box = []
    if not separator or len(box) != 4:
        raise InputError(f'--support {text}: write PICTURE:x1,y1,x2,y2')
    return open_frame(path), box


def queries(paths: list[str], every: int) -> Iterator[tuple[dict, str, Image]]:
    """What to print of each query, the name of its picture, and its image."""
    for index, path in enumerate(paths):
        # A name may have 255 bytes, and what is put round this one takes some.
        stem = os.fsencode(Path(path).stem)[:200].decode(errors='ignore')
        name = f'{index:03d}_{stem}'
        if not is_video(path):
            yield {'query': path}, name, open_frame(path)
            continue
        for number, frame in read_frames(path, every):
            yield {'query': path, 'frame': number}, f'{name}_{number:06d}', frame


def quickstart_checkpoint() -> str:
    """What the quick start trained last."""
    pointer = Path('work_dirs/quickstart/stage2/last_checkpoint')
    if not pointer.is_file():
        raise InputError('give --checkpoint, or run bash tools/quickstart.sh in a clone first')
    return pointer.read_text().strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--config', default='configs/focus_tiny_stage2.py')
    parser.add_argument('--checkpoint', help="checkpoint file, or 'none' for the pretrained model as it is")
    parser.add_argument('--support', nargs='+', required=True, metavar='PICTURE:x1,y1,x2,y2')
    parser.add_argument('--query', nargs='+', required=True, metavar='PICTURE')
    parser.add_argument(
        '--every',
        type=int,
        default=30,
        metavar='N',
        help='ask each N-th frame of a video; default: %(default)s',
    )
    parser.add_argument('--out-dir', type=Path, required=True)
    parser.add_argument('--device')
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    if args.every < 1:
        raise InputError(f'--every {args.every}: give 1 or more')
    supports = [parse_support(text) for text in args.support]
    check_folder('--out-dir', args.out_dir)
    checkpoint = args.checkpoint or quickstart_checkpoint()
    config = read_config(args.config, args.cfg_options)
    inferencer = InContextInferencer(config, None if checkpoint == 'none' else checkpoint, args.device)
    for what, name, image in queries(args.query, args.every):
        (found,) = inferencer(supports, [image])
        picture = args.out_dir / f'{name}.png'
        mmcv.imwrite(mmcv.rgb2bgr(found.picture), str(picture))
        box = None if found.box is None else [round(value, 1) for value in found.box]
        print(json.dumps({**what, 'box': box, 'score': round(found.score, 4), 'picture': str(picture)}))


if __name__ == '__main__':
    run_cli(main)
