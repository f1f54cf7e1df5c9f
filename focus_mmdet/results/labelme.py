"""One LabelMe file for each image."""

import json
from pathlib import Path
from typing import Any

from focus_mmdet.datasets.conversion.output_file import whole_file
from focus_mmdet.results.linked_folder import LinkedFolder
from focus_mmdet.results.located import Located


class LabelMeResults(LinkedFolder):
    """A folder that LabelMe and X-AnyLabeling open: links to images, and a ``.json`` with boxes beside each.

    Each rectangle has its reference's name as label and its ``score``, which LabelMe keeps and shows as
    description.
    """

    def write_labels(self, stem: Path, link: str, size: tuple[int, int], found: list[Located]) -> None:
        content: dict[str, Any] = {
            'version': '5.0.0',
            'flags': {},
            'shapes': [_shape(located) for located in found],
            'imagePath': link,
            'imageData': None,
            'imageHeight': size[1],
            'imageWidth': size[0],
        }
        with whole_file(stem.with_name(f'{stem.name}.json')) as file:
            json.dump(content, file, indent=2)


def _shape(located: Located) -> dict[str, Any]:
    assert located.box is not None
    x1, y1, x2, y2 = (round(value, 2) for value in located.box)
    return {
        'label': located.reference,
        'points': [[x1, y1], [x2, y2]],
        'group_id': None,
        'description': f'score {located.score:.4f}',
        'shape_type': 'rectangle',
        'flags': {},
        'score': round(located.score, 4),
    }
