"""COCO JSON of what was found: for other tools, and to train on."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from focus_mmdet.datasets.conversion.output_file import whole_file
from focus_mmdet.datasets.episode import ROUNDING
from focus_mmdet.results.located import Located
from focus_mmdet.results.query_images import QueryImages
from focus_mmdet.results.result_writer import ResultWriter

_DESCRIPTION = 'Found by focus_mmdet.'
_ROOT = ' The folder of file_name is root.'


class CocoResults(ResultWriter):
    """COCO JSON, one category and one instance for each reference, with a ``score`` for each box.

    ``pycocotools`` and labelling tools read it, and so does ``EpisodeDataset`` with ``info.root`` as its
    ``data_root``. ``file_name`` is relative to that folder, the deepest that holds all images. A
    photograph is a video of its own; frames share the number of their video. An image of which the model
    said that the object is not there lists it as ``absent``; of others without a box nothing is claimed.
    Of an image that was asked about twice the surer box stays. Boxes less than a pixel wide or high are
    left out.

    Args:
        path: The file to write, at the end of the block.
        images: Finds the files of the queries, and keeps the frames of videos.
    """

    beginning = r'\{"info": \{"description": "Found by focus_mmdet'

    def __init__(self, path: str | Path, images: QueryImages) -> None:
        super().__init__(path)
        self.images = images
        self._images: dict[str, dict[str, Any]] = {}
        self._videos: dict[str, int] = {}
        self._references: dict[str, int] = {}
        self._boxes: dict[tuple[int, int], Located] = {}
        self._absent: set[tuple[int, int]] = set()

    def write(self, located: Located) -> None:
        key = self._image(located), self._references.setdefault(located.reference, len(self._references) + 1)
        if located.box is not None:
            x1, y1, x2, y2 = located.box
            known = self._boxes.get(key)
            if min(x2 - x1, y2 - y1) >= 1 - ROUNDING and (known is None or known.score < located.score):
                self._boxes[key] = located
        elif located.absent:
            self._absent.add(key)

    def __exit__(self, *error: Any) -> None:
        files = [name for name in self._images if os.path.isabs(name)]
        root = os.path.commonpath([os.path.dirname(name) for name in files]) if files else ''
        info = {'description': _DESCRIPTION + _ROOT, 'root': root} if root else {'description': _DESCRIPTION}
        categories = [
            {'id': i, 'name': name, 'supercategory': 'object'} for name, i in self._references.items()
        ]
        # Where nothing is said of an image, the object may be in it.
        instances = [{'id': i, 'name': name, 'absence': 'listed'} for name, i in self._references.items()]
        with whole_file(self.path) as file:
            file.write(
                f'{{"info": {json.dumps(info)},\n"licenses": [],\n"categories": {json.dumps(categories)}'
            )
            file.write(f',\n"instances": {json.dumps(instances)}')
            _write_list(file, 'images', (self._image_record(name, root) for name in self._images))
            _write_list(file, 'annotations', self._annotations())
            file.write('}\n')

    def _image(self, located: Located) -> int:
        """The id of the query's image."""
        name = self.images.file(located) or located.query
        if name not in self._images:
            video, frame = self.images.place(located)
            self._images[name] = {
                'id': len(self._images) + 1,
                'width': located.size[0],
                'height': located.size[1],
                'video_id': self._videos.setdefault(video, len(self._videos) + 1),
                'frame_id': frame or 0,
            }
        return self._images[name]['id']

    def _image_record(self, name: str, root: str) -> dict[str, Any]:
        record = self._images[name]
        keys = [(record['id'], reference) for reference in self._references.values()]
        absent = [key[1] for key in keys if key in self._absent and key not in self._boxes]
        file_name = os.path.relpath(name, root) if os.path.isabs(name) else name
        return {**record, 'file_name': file_name, **({'absent': absent} if absent else {})}

    def _annotations(self) -> Iterable[dict[str, Any]]:
        for number, ((image, reference), located) in enumerate(self._boxes.items(), start=1):
            assert located.box is not None
            x1, y1, x2, y2 = located.box
            yield {
                'id': number,
                'image_id': image,
                'category_id': reference,
                'instance_id': reference,
                'bbox': [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)],
                'area': round((x2 - x1) * (y2 - y1), 2),
                'iscrowd': 0,
                'score': round(located.score, 4),
            }


def _write_list(file: Any, name: str, records: Iterable[dict[str, Any]]) -> None:
    lines = ',\n'.join(map(json.dumps, records))
    file.write(f',\n"{name}": [\n{lines}\n]')
