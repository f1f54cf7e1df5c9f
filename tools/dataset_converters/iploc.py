"""Public episode lists of IPLoc and IPLoc-ID to an episode manifest.

    python tools/dataset_converters/iploc.py 1_shots_perseg.json --images data/perseg/Images \\
        --masks data/perseg/Annotations
    python tools/dataset_converters/iploc.py test_LASOT_4_shot.json --images data/lasot --box-order xyxy

A list holds {"element", "image_path": [..], "bbox": ["[x1, y1, x2, y2]", ..]} per episode, the
query last. IPLoc-ID's add "role", one for each image, and may ask several queries of an episode:
reference (a support), positive-image (shows the object), inclass-image (another of its class) and
outclass-image (something else). As in IPLoc-ID's own evaluation, a query of any other role lacks
the object too; such roles are counted and named. Queries that lack the object become episodes
without a target, for models with data_preprocessor.may_be_absent.

The lists for PerSeg have their boxes as [y1, x1, y2, x2], the others as [x1, y1, x2, y2]: masks
tell, or say it by --box-order. Leading folders of the listed paths that --images does not hold are
ignored. Supports out of view ([0, 0, 0, 0], [1, 1, 1, 1]) are left out of their episodes, and
episodes without a sound query or with an unsound support altogether. A box a little beyond its
image is clipped. All are counted.

--strict-published keeps the published number of queries that show the object, as scores of papers
count them: the manifest names those that cannot be judged, and each of them scores 0.
"""

import argparse
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from focus_mmdet.cli import check_folder, run_cli
from focus_mmdet.datasets.conversion.coco_writer import SLACK, overhang
from focus_mmdet.datasets.conversion.drop_counter import DropCounter, is_file
from focus_mmdet.datasets.conversion.manifest import write_manifest
from focus_mmdet.datasets.conversion.masks import Box, box_iou, mask_box, read_mask
from focus_mmdet.datasets.episode import Episode, Frame, below_a_pixel
from focus_mmdet.errors import InputError
from focus_mmdet.progress import progress

#: Roles of IPLoc-ID's images: supports, queries that show the object, and kinds of those that don't.
SUPPORT, TARGET = 'reference', 'positive-image'
KINDS = {'inclass-image': 'in_class', 'outclass-image': 'out_of_class'}
#: A box reads rightly where it overlaps the box of its mask by this much.
FIT = 0.5
#: The share of the boxes that must agree on an order.
MAJORITY = 2 / 3
#: By this share of its image's side a box may overhang; by more, it is another kind of number.
BEYOND = 0.05
#: Boxes of frames that do not show the object lie this near to the image's corner (pixels), without area.
CORNER = 2


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
    """Whether a listed box says that the frame does not show the object.

    LaSOT and GOT-10k write such boxes as [0, 0, 0, 0], [1, 1, 0, 0] or [-1, -1, -1, -1] (x, y, width,
    height), and the lists turn them into corners.
    """
    numbers = parse_box(text)
    if numbers is None or max(map(abs, numbers)) > CORNER:
        return False
    x1, y1, x2, y2 = numbers
    return x2 <= x1 and y2 <= y1


def read_roles(entry: dict[str, Any]) -> tuple[list[str], str | None]:
    """The role of each image, and what is wrong with an entry, if anything is.

    Without roles the last image is the query.
    """
    count = len(entry['image_path'])
    implied = [SUPPORT] * (count - 1) + [TARGET]
    listed = entry.get('role', implied)
    if not isinstance(listed, list):
        return implied, 'role that is no list'
    if not all(isinstance(role, str) for role in listed):
        return implied, 'role that is no text'
    roles = [role.strip().lower().replace('_', '-') for role in listed]
    if not count == len(entry['bbox']) == len(roles):
        return roles, 'lists of unequal length'
    return roles, None


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
    """Turns listed episodes into ours, or counts why not.

    Attributes:
        unjudged: Queries that show the object and that no episode was made of, each with its reason.
        left_out: Episodes and supports that were left out.
    """

    def __init__(self, images: Images, order: str) -> None:
        super().__init__()
        self.images = images
        self.order = order
        self.unjudged: list[str] = []
        self.left_out: Counter[str] = Counter()
        self._remarks: dict[str, list[str]] = defaultdict(list)
        self._fault = ''

    def drop(self, reason: str, record: str) -> None:
        """As in the base class; the reason is remembered."""
        super().drop(reason, record)
        self._fault = f'{reason} ({record})'

    def read(self, identifier: str, entry: dict[str, Any]) -> Iterator[Episode]:
        """The episodes of one entry: one for each of its queries."""
        roles, fault = read_roles(entry)
        if fault is not None:
            self.drop(fault, identifier)
        supports = [] if fault else self.supports(identifier, entry, roles)
        queries = [index for index, role in enumerate(roles) if role != SUPPORT]
        if not queries:
            self.drop('entry without a query', identifier)
        for index in queries:
            if supports and (query := self.frame(identifier, entry, index, roles[index])):
                yield Episode(tuple(supports), query)
                continue
            self.left_out['episodes'] += 1
            if roles[index] == TARGET:
                self.unjudged.append(f'{identifier}, image {index}: {self._fault}')

    def supports(self, identifier: str, entry: dict[str, Any], roles: list[str]) -> list[Frame]:
        """The supports of an entry, none where it cannot be used."""
        supports = []
        for index in (index for index, role in enumerate(roles) if role == SUPPORT):
            if out_of_view(entry['bbox'][index]):
                self.drop('support out of view, left out of its episode', identifier)
                self.left_out['supports'] += 1
            elif frame := self.frame(identifier, entry, index, SUPPORT):
                supports.append(frame)
            else:
                return []
        if not supports:
            self.drop('episode without supports', identifier)
        return supports

    def frame(self, identifier: str, entry: dict[str, Any], index: int, role: str) -> Frame | None:
        """One image with its box, if it shows the object; None where it is dropped."""
        name = self.images.name(entry['image_path'][index])
        path = self.images.images / name
        size = self.image_size(path, identifier)
        if size is None:
            return None
        if role not in (SUPPORT, TARGET):
            if role not in KINDS:
                self.remark('taken', f'query of unknown role {role!r}, as without the object', identifier)
            return Frame(str(path), *size, box=None, absent_kind=KINDS.get(role))
        numbers = parse_box(entry['bbox'][index])
        if numbers is None:
            self.drop('box that is not four finite numbers', f'{identifier} {name}')
            return None
        box = as_box(numbers, self.order)
        where = f'{identifier} {name} {numbers}'
        if out_of_view(numbers):
            self.drop('query out of view', where)
            return None
        if reason := self.fault(box, size, name):
            self.drop(reason, where)
            return None
        if overhang(box, *size) > SLACK:
            self.remark('clipped', 'box beyond its image', where)
        x, y, w, h = box
        corners = max(x, 0), max(y, 0), min(x + w, size[0]), min(y + h, size[1])
        return Frame(str(path), *size, box=corners)

    def fault(self, box: Box, size: tuple[int, int], name: str) -> str | None:
        """Why a box is not to be used."""
        width, height = size
        x, y, w, h = box
        if w <= 0 or h <= 0:
            return 'empty box'
        share = overhang((x / width, y / height, w / width, h / height), 1, 1)
        if overhang(box, *size) > SLACK and share > BEYOND:
            return 'box far beyond its image (0..1000, or swapped axes?)'
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            return 'box outside its image'
        seen = min(x + w, width) - max(x, 0), min(y + h, height) - max(y, 0)
        if reason := below_a_pixel(box, *seen):
            return f'box that {reason}'
        mask = self.images.mask(name)
        if mask is not None and box_iou(box, mask) < FIT:
            return 'box that does not fit its mask'
        return None

    def remark(self, what: str, why: str, record: str) -> None:
        """Count something that was kept, but not as it was listed."""
        self._remarks[f'{what} {{}} times: {why}'].append(record)

    def report(self) -> list[str]:
        """What was changed and what was dropped, with the first example of each."""
        remarks = [
            f'  {text.format(len(records))}; the first: {records[0]}'
            for text, records in self._remarks.items()
        ]
        return [*remarks, *self.drop_lines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path, help='a published list, e.g. 1_shots_perseg.json')
    parser.add_argument('--images', type=Path, required=True, help='folder of the images')
    parser.add_argument('--masks', type=Path, help='folder of their masks, as PNG under the same names')
    parser.add_argument('--box-order', choices=['xyxy', 'yxyx'], help='what the numbers of a box are')
    parser.add_argument(
        '--strict-published', action='store_true', help='episodes that cannot be judged score 0, see above'
    )
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
    out = args.out or args.images / f'{args.source.stem}_episodes.json'
    check_folder('--out', out.parent)
    entries = read_list(args.source)
    images = Images([name for entry in entries for name in entry['image_path']], args.images, args.masks)
    order = args.box_order or box_order(entries, images)
    reader = EpisodeReader(images, order)
    episodes = [
        episode
        for index, entry in enumerate(progress(entries))
        for episode in reader.read(f'{index} {entry.get("element", "")}'.strip(), entry)
    ]
    print('\n'.join([f'{args.source}: {len(entries)} entries', *reader.report()]))
    unjudged = reader.unjudged if args.strict_published else []
    left_out = reader.left_out['episodes']
    write_manifest(out, episodes, args.images, args.source, dict(box_order=order), left_out, unjudged)
    absent = Counter(episode.query.absent_kind for episode in episodes if episode.query.box is None)
    kinds = ', '.join(f'{count} {kind or "of unknown role"}' for kind, count in absent.items())
    print(
        f'{out}: {len(episodes)} episodes, {absent.total()} without the object{kinds and f" ({kinds})"}; '
        f'left out: {left_out} episodes, {reader.left_out["supports"]} supports'
    )
    if unjudged:
        print(f'{len(unjudged)} of the episodes left out are listed as unjudged, and score 0')


if __name__ == '__main__':
    run_cli(main)
