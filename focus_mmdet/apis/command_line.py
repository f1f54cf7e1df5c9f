"""What the tools that find things take on their command lines."""

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path

from focus_mmdet.apis.inferencer import InContextInferencer
from focus_mmdet.apis.inputs.images import Support
from focus_mmdet.cli import read_config
from focus_mmdet.datasets.video import is_video
from focus_mmdet.errors import InputError
from focus_mmdet.shipped import READY, find_shipped
from focus_mmdet.shipped_configs import find_config
from focus_mmdet.type_name import type_name


def parse_support(text: str, flag: str = '--support') -> Support:
    """``path:x1,y1,x2,y2``, given by a ``flag``, to image and box."""
    path, separator, numbers = text.rpartition(':')
    try:
        box = [float(number) for number in numbers.split(',')]
    except ValueError:
        box = []
    if not separator or len(box) != 4:
        raise InputError(f'{flag} {text}: write PICTURE:x1,y1,x2,y2')
    if is_video(path):
        raise InputError(f'{flag} {path}: write VIDEO#FRAME, frames counted from 0')
    return path, box


def folder(text: str) -> Path:
    """A folder that an option names; no text, as of a shell's unset variable, names none."""
    if not text:
        raise argparse.ArgumentTypeError('give the name of a folder')
    return Path(text)


def load_inferencer(args: argparse.Namespace) -> InContextInferencer:
    """What ``--config``, ``--checkpoint``, ``--device`` and ``--cfg-options`` say; stdout is left to answers.

    Raises:
        InputError: A config of one's own without a word on its checkpoint, or they do not go together.
    """
    config, checkpoint = read_config(args.config, args.cfg_options), args.checkpoint
    is_ready = Path(find_config(args.config)).resolve() == Path(find_shipped(READY)).resolve()
    trained = not is_ready and type_name(config.model) != 'FeatureMatcher'
    if checkpoint is None and trained:
        raise InputError(
            f"--config {args.config}: give --checkpoint, or 'none' for its pretrained model as it is"
        )
    # MMEngine prints what it loads.
    with redirect_stdout(sys.stderr):
        return InContextInferencer(config, checkpoint, args.device)
