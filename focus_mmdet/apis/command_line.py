"""What the tools that find things take on their command lines."""

from focus_mmdet.apis.inputs.images import Support
from focus_mmdet.datasets.video import is_video
from focus_mmdet.errors import InputError
from focus_mmdet.shipped import READY


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


def chosen_checkpoint(config: str, checkpoint: str | None) -> str | None:
    """The file that ``--checkpoint`` names; None for a pretrained model as it is, such as the shipped one.

    Raises:
        InputError: A config of one's own without a word on its checkpoint.
    """
    if checkpoint is None and config != READY:
        raise InputError(f"--config {config}: give --checkpoint, or 'none' for its pretrained model as it is")
    return None if checkpoint in (None, 'none') else checkpoint
