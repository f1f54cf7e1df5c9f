"""Images of COCO or LVIS with their annotations, in bounded memory."""

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from focus_mmdet.datasets.json_stream import stream_list
from focus_mmdet.errors import InputError


class CocoAnnotation(NamedTuple):
    """One object; ``bbox`` is (x, y, width, height) in pixels, or empty where the file has none."""

    id: int
    category: int
    bbox: list[float]
    crowd: bool


class CocoImage(NamedTuple):
    """One image; ``uncertain`` are the classes that LVIS did not annotate exhaustively."""

    name: str
    size: tuple[int, int]
    uncertain: set[int]


class CocoImages:
    """Images with their annotations, which the published files list far apart.

    A temporary database on disk sorts them, so memory stays small.

    Args:
        path: Annotation file of COCO or LVIS.
        drop: Counts a record that is left out: its reason, and which it is.

    Raises:
        InputError: Not JSON, or records without the keys of COCO.
    """

    def __init__(self, path: Path, drop: Callable[[str, str], None]) -> None:
        self.path = path
        self.drop = drop
        self.database = sqlite3.connect('')
        self.database.execute('CREATE TABLE images (id INTEGER PRIMARY KEY, record TEXT)')
        self.database.execute('CREATE TABLE boxes (id INTEGER PRIMARY KEY, image INTEGER, record TEXT)')
        self._insert('image id used twice', 'INSERT OR IGNORE INTO images VALUES (?, ?)', self._images())
        self._insert(
            'annotation id used twice', 'INSERT OR IGNORE INTO boxes VALUES (?, ?, ?)', self._annotations()
        )
        self.database.execute('CREATE INDEX by_image ON boxes (image)')

    def __len__(self) -> int:
        return int(self.database.execute('SELECT COUNT(DISTINCT image) FROM boxes').fetchone()[0])

    def __iter__(self) -> Iterator[tuple[CocoImage, list[CocoAnnotation]]]:
        rows = self.database.execute(
            'SELECT boxes.image, images.record, boxes.record FROM boxes '
            'LEFT JOIN images ON images.id = boxes.image ORDER BY boxes.image, boxes.id'
        )
        for image, group in itertools.groupby(rows, key=lambda row: row[:2]):
            annotations = [CocoAnnotation(*json.loads(row[2])) for row in group]
            if image[1] is None:
                self.drop('annotations of an unknown image', f'image id {image[0]}')
                continue
            name, size, uncertain = json.loads(image[1])
            yield CocoImage(name, tuple(size), set(uncertain)), annotations

    def _insert(self, reason: str, statement: str, rows: Iterable[tuple]) -> None:
        for row in rows:
            if not self.database.execute(statement, row).rowcount:
                self.drop(reason, f'{self.path}: id {row[0]}')

    def _images(self) -> Iterator[tuple]:
        for index, record in enumerate(stream_list(self.path, 'images')):
            where = f'{self.path}: images[{index}]'
            name = image_name(record)
            if name is None or not isinstance(record.get('id'), int):
                raise InputError(f'{where}: needs an id and a coco_url or file_name')
            size = [record.get('width', 0), record.get('height', 0)]
            yield record['id'], json.dumps([name, size, record.get('not_exhaustive_category_ids', [])])

    def _annotations(self) -> Iterator[tuple]:
        for index, record in enumerate(stream_list(self.path, 'annotations')):
            where = f'{self.path}: annotations[{index}]'
            if not all(isinstance(record.get(key), int) for key in ('id', 'image_id', 'category_id')):
                raise InputError(f'{where}: id, image_id and category_id must be whole numbers')
            bbox = record.get('bbox')
            # Without a box it still counts among the objects of its class.
            sound = (
                isinstance(bbox, list) and len(bbox) == 4 and all(isinstance(x, (int, float)) for x in bbox)
            )
            crowd = bool(record.get('iscrowd', 0))
            yield (
                record['id'],
                record['image_id'],
                json.dumps([record['id'], record['category_id'], bbox if sound else [], crowd]),
            )


def image_name(record: dict[str, Any]) -> str | None:
    """Folder and file of an image: LVIS says them in its URL alone, and COCO the folder."""
    url = Path(str(record.get('coco_url', '')))
    return f'{url.parent.name}/{url.name}' if url.suffix else record.get('file_name')
