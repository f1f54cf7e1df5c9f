"""How well objects are followed through videos, and what learning on the way gains.

    python tools/analysis_tools/measure_tracking.py CONFIG CHECKPOINT --pan 12 --memory 0 3 --confident 0.8

Each reference of the config's test episodes is followed through its queries in their order, of which
some may lack the object (FirstFramesEpisodes of videos, GalleryEpisodes). With --pan a camera moves over
each query for so many frames, before it cuts to the next. Frames that show less of the object than this:
--visible are left out. A row for each --memory and --confident; the last line is JSON.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.apis.inputs.images import read_rgb
from focus_mmdet.apis.tracking import Learning, track
from focus_mmdet.cli import KeyValues, read_config, run_cli
from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.engine.asked_records import asked_records, shown_box, shown_supports
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.evaluation.ranking import auroc
from focus_mmdet.progress import progress


@dataclass(frozen=True)
class Shot:
    """A frame of a video.

    Attributes:
        number: Counted from 0.
        pixels: (H, W, 3) uint8 RGB.
        box: (x1, y1, x2, y2) in its pixels; None where it lacks the object.
    """

    number: int
    pixels: np.ndarray
    box: tuple[float, ...] | None


@dataclass
class Figures:
    """What became of the frames of all videos.

    Attributes:
        overlaps: IoU of each that shows the object; 0 where there is no box.
        scores: Of all, and in ``present`` whether each shows it.
    """

    overlaps: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    present: list[bool] = field(default_factory=list)

    def add(self, shot_box: tuple[float, ...] | None, box: Sequence[float] | None, score: float) -> None:
        self.scores.append(score)
        self.present.append(shot_box is not None)
        if shot_box is not None:
            pair = torch.tensor([box or (0.0, 0.0, 0.0, 0.0), shot_box])
            self.overlaps.append(float(paired_iou(pair[:1], pair[1:])))

    def row(self) -> dict[str, float]:
        """mIoU and the share over IoU 0.5 of the frames that show it; AUROC where some do not."""
        ious = np.array(self.overlaps)
        figures = {'mIoU': ious.mean(), 'acc@0.5': (ious >= 0.5).mean()}
        if not all(self.present):
            figures['auroc'] = auroc(torch.tensor(self.scores), torch.tensor(self.present))
        return {name: round(float(value), 4) for name, value in figures.items()}


def videos(config: Config) -> list[list[dict[str, Any]]]:
    """Records of the queries of each reference, in their order.

    Raises:
        InputError: No query shows its object.
    """
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in asked_records(config):
        found[record['reference']].append(record)
    if not any(shown_box(record) for records in found.values() for record in records):
        raise InputError('test_dataloader.dataset: no query shows its object')
    return list(found.values())


def windows(size: tuple[int, int], count: int, rng: np.random.Generator) -> list[list[int]]:
    """Where a camera looks that moves over a picture: (x1, y1, x2, y2) in pixels, half of a side at least."""
    ends = []
    for _ in range(2):
        share = rng.uniform(0.5, 1)
        near = [rng.uniform(0, (1 - share) * side) for side in size]
        ends.append(np.array([*near, near[0] + share * size[0], near[1] + share * size[1]]))
    steps = np.linspace(0, 1, count)[:, None]
    moved: list[list[int]] = (ends[0] + (ends[1] - ends[0]) * steps).round().astype(int).tolist()
    return moved


def shots(records: Sequence[dict[str, Any]], pan: int, visible: float) -> Iterator[Shot]:
    """The frames of a video; ``pan`` of each picture, or the pictures themselves where it is 0."""
    rng, number = np.random.default_rng(0), -1
    for record in records:
        pixels = read_rgb(record['img_path'], record['img_path'])
        size, whole = (record['width'], record['height']), shown_box(record)
        for x1, y1, x2, y2 in windows(size, pan, rng) if pan else [[0, 0, *size]]:
            number += 1
            box = None
            if whole is not None:
                sides = zip(whole, (x1, y1) * 2, (x2 - x1, y2 - y1) * 2, strict=True)
                box = tuple(float(np.clip(value - start, 0, length)) for value, start, length in sides)
                seen = _area(box) / _area(whole)
                if 0 < seen < visible:
                    continue
                box = box if seen else None
            yield Shot(number, pixels[y1:y2, x1:x2], box)


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def follow(
    find: InContextInferencer,
    records: Sequence[dict[str, Any]],
    frames: Iterator[Shot],
    learning: Learning,
    to: Figures,
) -> None:
    """Add what becomes of the frames of a video."""
    reference = find.remember(shown_supports(records[0]), 'object')
    boxes: dict[int, tuple[float, ...] | None] = {}

    def watched() -> Iterator[tuple[int, np.ndarray]]:
        for shot in frames:
            boxes[shot.number] = shot.box
            yield shot.number, shot.pixels

    for tracked in track(find, watched(), [reference], learning):
        (located,) = tracked.found
        to.add(boxes.pop(tracked.number), located.box, located.score)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint', help="checkpoint file, or 'none' for the pretrained model as it is")
    parser.add_argument('--pan', type=int, default=0, help='frames of each picture; default: itself alone')
    parser.add_argument('--visible', type=float, default=0.6, help='share of the box; default: %(default)s')
    parser.add_argument('--memory', type=int, nargs='+', default=[0, 3])
    parser.add_argument('--confident', type=float, nargs='+', default=[Learning.confident])
    parser.add_argument('--spacing', type=int, default=Learning.spacing, help='default: %(default)s')
    parser.add_argument('--device')
    parser.add_argument('--cfg-options', nargs='+', action=KeyValues, help='key=value pairs over the config')
    args = parser.parse_args()
    check_number('--pan', args.pan, low=0, whole=True)
    check_number('--visible', args.visible, low=0.01, high=1)
    settings = [
        Learning(memory, confident, args.spacing)
        for memory in args.memory
        for confident in (args.confident if memory else args.confident[:1])
    ]
    config = read_config(args.config, args.cfg_options)
    config.load_from = None if args.checkpoint == 'none' else args.checkpoint
    known = videos(config)
    find = InContextInferencer(config, config.load_from, args.device)

    figures = [Figures() for _ in settings]
    for records in progress(known):
        for learning, to in zip(settings, figures, strict=True):
            follow(find, records, shots(records, args.pan, args.visible), learning, to)
    shown = len(figures[0].overlaps)
    if not shown:
        raise InputError(f'--visible {args.visible:g}: no frame shows so much of its object; give less')
    print(f'{len(known)} videos, {len(figures[0].scores)} frames, {shown} of them with the object')
    rows = {_name(learning): each.row() for learning, each in zip(settings, figures, strict=True)}
    for name, row in rows.items():
        print(f'{name:28}' + ''.join(f'  {figure} {value:.4f}' for figure, value in row.items()))
    print(json.dumps(rows))


def _name(learning: Learning) -> str:
    if not learning.memory:
        return 'learns nothing'
    return f'memory {learning.memory}, confident {learning.confident:g}'


if __name__ == '__main__':
    run_cli(main)
