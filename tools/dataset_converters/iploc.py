"""Public episode lists of IPLoc and IPLoc-ID to an episode manifest.

    python tools/dataset_converters/iploc.py 1_shots_perseg.json --images data/perseg/Images \\
        --masks data/perseg/Annotations
    python tools/dataset_converters/iploc.py test_LASOT_4_shot.json --images data/lasot --box-order xyxy

A list holds {"element", "image_path": [..], "bbox": ["[x1, y1, x2, y2]", ..]} per episode, the
query last. IPLoc-ID's add "role"; queries that do not show the object become episodes without a
target, for models with data_preprocessor.may_be_absent.

The lists for PerSeg have their boxes as [y1, x1, y2, x2], the others as [x1, y1, x2, y2]: masks
tell, or say it by --box-order. Leading folders of the listed paths that --images does not hold are
ignored. Supports out of view (box of zeros) are left out of their episodes, and episodes without a
sound query or with an unsound support altogether; all are counted.
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from focus_mmdet.cli import run_cli
from focus_mmdet.datasets.conversion.coco_writer import SLACK, overhang
from focus_mmdet.datasets.conversion.drop_counter import DropCounter, is_file
from focus_mmdet.datasets.conversion.manifest import write_manifest
from focus_mmdet.datasets.conversion.masks import Box, box_iou, mask_box, read_mask
from focus_mmdet.datasets.episode import Episode, Frame
from focus_mmdet.errors import InputError
from focus_mmdet.progress import progress

#: Roles of IPLoc-ID's images; the last is of queries that show another object of the class.
SUPPORT, TARGET, OTHER = ROLES = 'reference', 'positive-image', 'inclass-image'
#: A box reads rightly where it overlaps the box of its mask by this much.
FIT = 0.5
#: The share of the boxes that must agree on an order.
MAJORITY = 2 / 3


def read_list(path: Path) -> list[dict[str, Any]]:
    """The episodes of a published list.

    Raises:
        InputError: Not such a list.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8-sig'))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f'{path}: cannot be read as JSON ({error})') from error
    if not isinstance(content, list) or not content:
        raise InputError(f'{path}: expected a list of episodes, as IPLoc publishes them')
    for index, entry in enumerate(content):
        lists = isinstance(entry, dict) and all(
            isinstance(entry.get(key), list) for key in ('image_path', 'bbox')
        )
        if not lists or not all(isinstance(name, str) for name in entry['image_path']):
            raise InputError(
                f'{path}: [{index}] needs the lists image_path and bbox, as IPLoc publishes them'
            )
    if not any(entry['image_path'] for entry in content):
        raise InputError(f'{path}: no entry lists an image')
    return content


def parse_box(text: Any) -> list[float] | None:
    """Four numbers from ``'[1, 2, 3, 4]'`` or a list; None where they are not."""
    try:
        box = json.loads(text) if isinstance(text, str) else text
        numbers = [float(value) for value in box]
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
    return numbers if len(numbers) == 4 and all(map(math.isfinite, numbers)) else None


def out_of_view(text: Any) -> bool:
    """Whether a listed box is ``[0, 0, 0, 0]``: the frame does not show the object."""
    numbers = parse_box(text)
    return numbers is not None and not any(numbers)


def as_box(numbers: list[float], order: str) -> Box:
    """(x, y, width, height) of corners that are ordered ``'xyxy'`` or ``'yxyx'``."""
    x1, y1, x2, y2 = numbers if order == 'xyxy' else (numbers[i] for i in (1, 0, 3, 2))
    return x1, y1, x2 - x1, y2 - y1


class Images:
    """The images that a list names, and their masks.

    Args:
        names: Paths as listed.
        images: Folder that holds them under the same names, less some leading folders.
        masks: Folder that holds a PNG of the same name for every image, or None.
    """

    def __init__(self, names: list[str], images: Path, masks: Path | None) -> None:
        self.images = images
        self.masks = masks
        self.leading = self._leading(names)

    def name(self, listed: str) -> str:
        """The image relative to its folder."""
        return PurePosixPath(*_parts(listed)[self.leading :]).as_posix()

    def mask(self, name: str) -> Box | None:
        """The box of the image's mask; None where there is none."""
        if self.masks is None:
            return None
        try:
            return mask_box(read_mask((self.masks / name).with_suffix('.png')))
        except InputError:
            return None

    def _leading(self, names: list[str]) -> int:
        """How many leading folders of the listed paths the image folder does not hold."""
        for listed in names:
            parts = _parts(listed)
            for count in range(max(1, len(parts) - 1)):
                if is_file(self.images.joinpath(*parts[count:])):
                    return count
        raise InputError(
            f'{self.images} holds none of the listed images, e.g. {names[0]}, not even without '
            'its leading folders. Check --images'
        )


def _parts(listed: str) -> tuple[str, ...]:
    return PurePosixPath(listed.lstrip('/')).parts


def box_order(entries: list[dict[str, Any]], images: Images) -> str:
    """Whether boxes are ``'xyxy'`` or ``'yxyx'``, by which reading fits the masks.

    Raises:
        InputError: No mask tells, or they do not agree.
    """
    votes = {'xyxy': 0, 'yxyx': 0}
    pairs = {
        (listed, str(text))
        for entry in entries
        for listed, text in zip(entry['image_path'], entry['bbox'], strict=False)
    }
    for listed, text in pairs:
        numbers, mask = parse_box(text), images.mask(images.name(listed))
        if numbers is None or mask is None:
            continue
        fits = {order: box_iou(as_box(numbers, order), mask) for order in votes}
        if max(fits.values()) >= FIT and fits['xyxy'] != fits['yxyx']:
            votes[max(fits, key=lambda order: fits[order])] += 1
    print(f'boxes that fit their mask as xyxy: {votes["xyxy"]}, as yxyx: {votes["yxyx"]}')
    best = max(votes, key=lambda order: votes[order])
    if votes[best] == 0 or votes[best] < MAJORITY * sum(votes.values()):
        raise InputError('the masks do not tell the order of the boxes. Check --masks, or give --box-order')
    return best


class EpisodeReader(DropCounter):
    """Turns listed episodes into ours, or counts why not."""

    def __init__(self, images: Images, order: str) -> None:
        super().__init__()
        self.images = images
        self.order = order

    def read(self, identifier: str, entry: dict[str, Any]) -> Iterator[Episode]:
        """The episodes of one entry: one for each of its queries."""
        count = len(entry['image_path'])
        roles = entry.get('role', [SUPPORT] * (count - 1) + [TARGET])
        if not isinstance(roles, list):
            self.drop('role that is no list', identifier)
            return
        if not count == len(entry['bbox']) == len(roles):
            self.drop('lists of unequal length', identifier)
            return
        if unknown := [role for role in roles if role not in ROLES]:
            self.drop(f'role that is none of {", ".join(ROLES)}', f'{identifier} ({unknown[0]!r})')
            return
        supports = []
        for index in (index for index, role in enumerate(roles) if role == SUPPORT):
            if out_of_view(entry['bbox'][index]):
                self.drop('support out of view (box of zeros), left out of its episode', identifier)
            elif frame := self.frame(identifier, entry, index):
                supports.append(frame)
            else:
                return
        if not supports:
            self.drop('episode without supports', identifier)
            return
        for index in (index for index, role in enumerate(roles) if role != SUPPORT):
            if query := self.frame(identifier, entry, index, shows=roles[index] == TARGET):
                yield Episode(tuple(supports), query)

    def frame(self, identifier: str, entry: dict[str, Any], index: int, shows: bool = True) -> Frame | None:
        """One image with its box, if it shows the object; None where it is dropped."""
        name = self.images.name(entry['image_path'][index])
        path = self.images.images / name
        size = self.image_size(path, identifier)
        if size is None:
            return None
        if not shows:
            return Frame(str(path), *size, box=None)
        numbers = parse_box(entry['bbox'][index])
        if numbers is None:
            self.drop('box that is not four finite numbers', f'{identifier} {name}')
            return None
        x, y, w, h = box = as_box(numbers, self.order)
        if reason := self.fault(box, size, name):
            self.drop(reason, f'{identifier} {name} {numbers}')
            return None
        return Frame(str(path), *size, box=(x, y, x + w, y + h))

    def fault(self, box: Box, size: tuple[int, int], name: str) -> str | None:
        """Why a box is not to be used."""
        _, _, w, h = box
        if not any(box):
            return 'query out of view (box of zeros)'
        if w <= 0 or h <= 0:
            return 'empty box'
        if overhang(box, *size) > SLACK:
            return 'box beyond its image (0..1000, or swapped axes?)'
        mask = self.images.mask(name)
        if mask is not None and box_iou(box, mask) < FIT:
            return 'box that does not fit its mask'
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path, help='a published list, e.g. 1_shots_perseg.json')
    parser.add_argument('--images', type=Path, required=True, help='folder of the images')
    parser.add_argument('--masks', type=Path, help='folder of their masks, as PNG under the same names')
    parser.add_argument('--box-order', choices=['xyxy', 'yxyx'], help='what the numbers of a box are')
    parser.add_argument('--out', type=Path, help='default: <list>_episodes.json in the image folder')
    args = parser.parse_args()
    if args.box_order is None and args.masks is None:
        raise InputError(
            'published lists differ in the order of a box. Give --masks to find it out, or --box-order '
            '(yxyx for the lists of PerSeg, xyxy for the others)'
        )
    for folder in filter(None, (args.images, args.masks)):
        if not folder.is_dir():
            raise InputError(f'{folder}: no such folder. Check --images and --masks')
    entries = read_list(args.source)
    images = Images([name for entry in entries for name in entry['image_path']], args.images, args.masks)
    order = args.box_order or box_order(entries, images)
    reader = EpisodeReader(images, order)
    episodes = [
        episode
        for index, entry in enumerate(progress(entries))
        for episode in reader.read(f'{index} {entry.get("element", "")}'.strip(), entry)
    ]
    print('\n'.join([f'{args.source}: {len(entries)} entries', *reader.drop_lines()]))
    out = args.out or args.images / f'{args.source.stem}_episodes.json'
    left_out = sum(reader.dropped.values())
    write_manifest(out, episodes, args.images, args.source, dict(box_order=order), left_out)
    absent = sum(episode.query.box is None for episode in episodes)
    print(f'{out}: {len(episodes)} episodes, {absent} without the object, {left_out} left out')


if __name__ == '__main__':
    run_cli(main)
