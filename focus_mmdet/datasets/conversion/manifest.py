"""Write fixed episodes to a file, the same bytes every time."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from focus_mmdet.datasets.conversion.output_file import check_replaceable, whole_file
from focus_mmdet.datasets.episode import Episode, Frame
from focus_mmdet.errors import InputError
from focus_mmdet.version import __version__


def write_manifest(
    path: Path,
    episodes: Sequence[Episode],
    image_root: Path,
    source: Path,
    settings: dict,
    left_out: int,
    unjudged: Sequence[str] = (),
) -> None:
    """Write a manifest that :class:`EpisodeDataset` reads, one episode a line.

    Args:
        path: The file; it appears whole or not at all.
        episodes: What to list, in order.
        image_root: Folder that ``file_name`` is relative to.
        source: The file that the episodes are made of; its name and sha256 are noted.
        settings: How they were made of it; JSON.
        left_out: How many bad records were not used.
        unjudged: Episodes that a metric is to count as failed, because they cannot
            be judged: what each is called, and why.

    Raises:
        InputError: There is no episode, an image lies outside ``image_root``,
            or the file cannot be written or is there and no such manifest.
    """
    check_replaceable(path, r'\{"info": \{\n')
    if not episodes:
        raise InputError(f'{source}: no episode can be made of it')
    lines = [
        json.dumps(
            {
                'id': number,
                'supports': [_record(frame, image_root) for frame in episode.supports],
                'query': _record(episode.query, image_root),
            }
        )
        for number, episode in enumerate(episodes)
    ]
    info = dict(
        source=source.name,
        source_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        settings=settings,
        left_out=left_out,
        focus_mmdet=__version__,
    )
    if unjudged:
        info['unjudged'] = list(unjudged)
    head = json.dumps(info, indent=1, sort_keys=True)
    body = ',\n'.join(lines)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(f'{{"info": {head},\n"episodes": [\n{body}\n]}}\n')
    except OSError as error:
        raise InputError(f'{path}: cannot be written ({error}). Choose another file') from error


def _record(frame: Frame, image_root: Path) -> dict[str, Any]:
    try:
        name = Path(frame.path).relative_to(image_root).as_posix()
    except ValueError:
        raise InputError(f'{frame.path}: lies outside the image folder {image_root}') from None
    record: dict[str, Any] = {'file_name': name, 'width': frame.width, 'height': frame.height}
    record['bbox'] = None if frame.box is None else _xywh(frame.box)
    if frame.video is not None:
        record['video_id'] = frame.video
    if frame.number is not None:
        record['frame_id'] = frame.number
    if frame.others:
        record.update(distractors=[_xywh(box) for box in frame.others], look_alikes=frame.alike)
    if frame.absent_kind is not None:
        record['absent_kind'] = frame.absent_kind
    return record


def _xywh(box: Sequence[float]) -> list[float]:
    return [round(value, 2) for value in (box[0], box[1], box[2] - box[0], box[3] - box[1])]
