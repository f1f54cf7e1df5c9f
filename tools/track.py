"""Follow objects through a video.

    python tools/track.py --support a.jpg:12,40,200,310 --video clip.mp4 --out-dir out

writes video.mp4 with the boxes, mot.txt and annotations.json (COCO-VID). A support is a picture, or a
frame of a video (clip.mp4#0), and the object's box in it, x1,y1,x2,y2 in pixels. Give --support once for
each object. The video is read in order; a folder of frames, in the order of their names, is one too.
Without --config and --checkpoint: the small model that is shipped.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import mmcv
import numpy as np
from transformers.utils.logging import disable_progress_bar

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.apis.command_line import folder, load_inferencer, parse_support
from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.apis.tracking import Learning, track
from focus_mmdet.cli import KeyValues, check_folder, run_cli
from focus_mmdet.datasets.annotations.natural_order import natural_order
from focus_mmdet.datasets.image_file import read_image
from focus_mmdet.datasets.queries import PICTURES
from focus_mmdet.datasets.video import is_video, read_frames
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.progress import Progress
from focus_mmdet.results.tracks.track_files import TrackFiles, check_apart
from focus_mmdet.shipped import READY


class Frames:
    """The frames of a video or a folder, every ``every``-th, with their numbers.

    Attributes:
        rate: Frames a second; ``default`` where nothing says it.
        count: How many there are, as the video's header says; None where it does not.

    Raises:
        InputError: There is no frame that can be read.
    """

    def __init__(self, path: str, every: int, default: float) -> None:
        self.path = path
        self.every = every
        self.files: list[str] = []
        rate, count = 0.0, 0
        if Path(path).is_dir():
            found = [file for file in Path(path).iterdir() if file.is_file() and file.name[0] != '.']
            # Frames may have no ending at all; where some have one, what else lies there is none.
            pictures = [file for file in found if file.suffix.lower() in PICTURES]
            self.files = sorted(map(str, pictures or found), key=natural_order)
            count = len(self.files)
            if not count:
                raise InputError(f'{path}: no frames in this folder')
        elif is_video(path):
            next(read_frames(path))
            reader = cv2.VideoCapture(path)
            rate, count = reader.get(cv2.CAP_PROP_FPS), int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
            reader.release()
        else:
            what = 'no video by its ending' if Path(path).exists() else 'no such video'
            raise InputError(f'--video {path}: {what}, and no folder of frames')
        self.rate = (rate if 0 < rate < 1000 else default) / every
        self.count = -(-count // every) if count > 0 else None

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        if not self.files:
            yield from read_frames(self.path, self.every)
        for number in range(0, len(self.files), self.every):
            yield number, mmcv.bgr2rgb(read_image(self.files[number]))


def references(find: InContextInferencer, args: argparse.Namespace) -> list[Reference]:
    """One reference for each ``--support`` and each saved file."""
    names = args.name or [f'object {number}' for number in range(1, len(args.support) + 1)]
    shown = zip(args.support, names, strict=True)
    known = [find.remember([parse_support(text) for text in texts], name) for texts, name in shown]
    return known + [find.recall(file) for file in args.reference]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--config', default=READY)
    parser.add_argument('--checkpoint', help="checkpoint file, or 'none' for the pretrained model as it is")
    parser.add_argument('--support', nargs='+', action='append', default=[], metavar='PICTURE:x1,y1,x2,y2')
    parser.add_argument('--name', nargs='+', default=[], help="of each --support; default: 'object 1', ...")
    parser.add_argument('--reference', nargs='+', default=[], metavar='FILE', help='saved references')
    parser.add_argument('--video', required=True, help='a video, or a folder of frames')
    parser.add_argument('--out-dir', type=folder, required=True)
    parser.add_argument('--every', type=int, default=1, metavar='N', help='look at each N-th frame')
    parser.add_argument(
        '--score-thr', type=float, default=0.0, help='leave out boxes below this score; default: %(default)s'
    )
    parser.add_argument(
        '--memory',
        type=int,
        default=Learning.memory,
        help='confident answers kept as supports; default: %(default)s',
    )
    parser.add_argument(
        '--confident',
        type=float,
        default=Learning.confident,
        help='score from which an answer becomes a support; default: %(default)s',
    )
    parser.add_argument('--fps', type=float, default=25.0, help='of a folder of frames; default: %(default)s')
    parser.add_argument('--save-frames', action='store_true', help='also write the frames, to train on them')
    parser.add_argument('--device')
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    disable_progress_bar()
    check_number('--every', args.every, low=1, whole=True)
    check_number('--fps', args.fps, low=0.01)
    check_number('--score-thr', args.score_thr, low=0, high=1)
    learning = Learning(args.memory, args.confident)
    if not args.support and not args.reference:
        raise InputError('give --support or --reference')
    if args.name and len(args.name) != len(args.support):
        raise InputError(f'--name {" ".join(args.name)}: give one for each of {len(args.support)} --support')
    check_folder('--out-dir', args.out_dir)
    check_apart(args.out_dir, args.video)
    frames = Frames(args.video, args.every, args.fps)
    find = load_inferencer(args)
    known = references(find, args)
    seen = dict.fromkeys((reference.name for reference in known), 0)
    tracked = track(find, frames, known, learning, args.video, args.score_thr)
    told = Progress(frames.count, 'frames')
    try:
        with TrackFiles(args.out_dir, args.video, list(seen), frames.rate, args.save_frames) as files:
            for frame in tracked:
                files.add(*frame)
                for located in frame.found:
                    seen[located.reference] += located.box is not None
                told.update()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f'after {told}') from None
    finally:
        told.close()
    print(json.dumps({'frames': told.done, 'found': seen, 'out_dir': str(args.out_dir)}))


if __name__ == '__main__':
    run_cli(main)
