"""What a user names to be searched, as single files."""

import glob
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmengine.logging import print_log

from focus_mmdet.datasets.annotations.natural_order import natural_order
from focus_mmdet.datasets.video import is_video
from focus_mmdet.errors import InputError

#: What counts as a picture in a folder; a file that is named itself may end in anything.
PICTURES = {
    '.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.apng', '.webp', '.gif', '.bmp', '.tif', '.tiff', '.avif',
    '.jp2', '.j2k', '.heic', '.heif', '.ppm', '.pgm', '.pnm', '.mpo', '.ico', '.dib',
}  # fmt: skip
#: Pictures that are not read; a folder of photographs may hold them.
_NOT_READ = {
    '.dng', '.cr2', '.cr3', '.nef', '.arw', '.raf', '.orf', '.rw2', '.pef', '.srw', '.jxl', '.psd', '.tga',
    '.pcx',
}  # fmt: skip
#: Stands near the beginning of a PNG that shows an answer.
ANSWER = b'tEXtSoftware\0focus_mmdet'


def split_frame(text: str) -> tuple[str, int | None]:
    """``'clip.mp4#120'`` as the video's path and the frame's number, anything else with None.

    Raises:
        InputError: What follows the # of a video is no number.
    """
    path, _, number = text.rpartition('#')
    if not is_video(path) or os.path.exists(text):
        return text, None
    if not number.isdecimal():
        raise InputError(f'{text}: write VIDEO#FRAME, frames counted from 0')
    return path, int(number)


def list_queries(named: Iterable[str], leave_out: str | Path | None = None) -> list[str]:
    """The files that some names stand for, each once, in the order of the names.

    Args:
        named: Files, which need not exist; ``VIDEO#FRAME``; folders, which stand for all pictures and
            videos in them and below, in natural order, without those whose names begin with a dot and
            without pictures of earlier answers; and
            patterns as the shell's, with ``**`` for any folders. A file that exists is no pattern.
        leave_out: A folder that is passed over where it lies in a named one: that of the results.

    Returns:
        Paths, and ``VIDEO#FRAME`` as it is.

    Raises:
        InputError: An address, a folder or a pattern that stands for no file, or ``leave_out`` itself.
    """
    left_out = None if leave_out is None else os.path.realpath(leave_out)
    found: dict[str, str] = {}
    for name in named:
        for path in _files(name, left_out):
            found.setdefault(os.path.abspath(path), path)
    return list(found.values())


def count_pictures(files: Sequence[str]) -> int | None:
    """How many pictures files of :func:`list_queries` are; None where a video is among them, whose frames
    are known when it has been read."""
    return None if any(map(is_video, files)) else len(files)


def _files(name: str, left_out: str | None) -> list[str]:
    if '://' in name:
        raise InputError(f'{name}: addresses are not fetched. Download it, and name the file')
    if os.path.isdir(name):
        if os.path.realpath(name) == left_out:
            raise InputError(f'{name}: is to hold the results, too; they would be searched the next time')
        if found := _in_folder(name, left_out):
            return found
        raise InputError(f'{name}: no picture or video in this folder or below it')
    if os.path.lexists(name) or not glob.has_magic(name):
        return [name]
    found = []
    for match in sorted(glob.glob(name, recursive=True), key=natural_order):
        if os.path.isdir(match):
            found += _in_folder(match, left_out)
        elif _may_be_read(match):
            found.append(match)
    if not found:
        raise InputError(f'{name}: no such file; the pattern matches nothing')
    return found


def _in_folder(folder: str, left_out: str | None) -> list[str]:
    found: list[str] = []
    not_read: set[str] = set()
    for place, folders, files in os.walk(folder):
        below = [each for each in folders if os.path.realpath(os.path.join(place, each)) != left_out]
        folders[:] = sorted((each for each in below if not each.startswith('.')), key=natural_order)
        known = [each for each in files if Path(each).suffix.lower() in PICTURES or is_video(each)]
        shown = sorted((each for each in known if not each.startswith('.')), key=natural_order)
        found += filter(_is_searched, (os.path.join(place, each) for each in shown))
        not_read |= {Path(each).suffix.lower() for each in files} & _NOT_READ
    if not_read:
        kinds = ', '.join(sorted(not_read))
        print_log(f'{folder}: pictures of kinds that are not read: {kinds}', 'current', logging.WARNING)
    return found


def is_answer(path: str | Path) -> bool:
    """Whether a file is a picture of an answer: it shows the support, and so is sure to be found."""
    if Path(path).suffix.lower() != '.png':
        return False
    try:
        with open(path, 'rb') as file:
            return ANSWER in file.read(100)
    except OSError:
        return False


def _is_searched(path: str) -> bool:
    return _may_be_read(path) and not is_answer(path)


def _may_be_read(path: str) -> bool:
    """Whether it is a file, or a link to one that is gone, which its reader names; a pipe may never end."""
    return os.path.isfile(path) or not os.path.exists(path)
