"""A machine learning backend for Label Studio: the first boxes that are drawn find the others.

Set by environment variables: FOCUS_CONFIG (default: the shipped small model), FOCUS_CHECKPOINT, FOCUS_DEVICE,
FOCUS_REFERENCES (a folder; default: references), FOCUS_SHOTS (supports a label; default: 4), FOCUS_SCORE_THR
(lowest score of a proposed box; default: 0.5).
"""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase

from focus_mmdet.apis import InContextInferencer, Located
from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.cli import run_cli
from focus_mmdet.errors import InputError
from focus_mmdet.shipped import READY

# Label Studio sends what several people draw at the same time.
_adding = Lock()


@cache
def finder() -> Any:
    """The model, once a process."""
    config = os.environ.get('FOCUS_CONFIG', READY)
    return InContextInferencer(config, os.environ.get('FOCUS_CHECKPOINT'), os.environ.get('FOCUS_DEVICE'))


def number(variable: str, default: float) -> float:
    """An environment variable, or its default.

    Raises:
        InputError: It is no number.
    """
    text = os.environ.get(variable)
    try:
        return default if text is None else float(text)
    except ValueError:
        raise InputError(f'{variable}={text}: give a number') from None


def file_of(label: str) -> Path:
    """Where a label's reference is kept."""
    return Path(os.environ.get('FOCUS_REFERENCES', 'references')) / f'{quote(label, safe="")}.focus'


class FocusBackend(LabelStudioMLBase):
    """Boxes for the labels of the first ``RectangleLabels`` that have a reference."""

    def control(self) -> tuple[str, str, str, list[str]]:
        """Name of the control, of its image, the image's key in a task's data, and the labels.

        Raises:
            InputError: The labeling interface has no ``RectangleLabels``.
        """
        for name, control in self.parsed_label_config.items():
            if control['type'] == 'RectangleLabels':
                return name, control['to_name'][0], control['inputs'][0]['value'], list(control['labels'])
        raise InputError('the labeling interface has no RectangleLabels on an Image')

    def image_of(self, task: dict[str, Any], key: str) -> str:
        """The file of a task's image."""
        url = task['data'][key]
        return url if os.path.isfile(url) else str(self.get_local_path(url, task_id=task.get('id')))

    def predict(
        self, tasks: list[dict[str, Any]], context: dict[str, Any] | None = None, **_: Any
    ) -> list[dict[str, Any]]:
        """One prediction a task, in the order of the tasks."""
        name, image, key, labels = self.control()
        shown = [label for label in labels if file_of(label).is_file()]
        # A file that was made elsewhere may say another name than its label.
        known = [replace(finder().recall(file_of(label)), name=label) for label in shown]
        predictions = []
        for task in tasks:
            path, lowest = self.image_of(task, key), number('FOCUS_SCORE_THR', 0.5)
            found = finder()([path], known, pred_score_thr=lowest) if known else []
            regions = [
                {'from_name': name, 'to_name': image, **region(located)}
                for located in found
                if located.box is not None
            ]
            score = max((each['score'] for each in regions), default=0.0)
            predictions.append({'result': regions, 'score': score, 'model_version': 'focus'})
        return predictions

    def fit(self, event: str, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Remember what a new annotation shows, until a label has its supports."""
        if event != 'ANNOTATION_CREATED':
            return {}
        name, _image, key, _labels = self.control()
        path = self.image_of(data['task'], key)
        drawn = [each for each in data['annotation']['result'] if each.get('from_name') == name]
        for each in drawn:
            if not each['value'].get('rotation'):
                remember(each['value']['rectanglelabels'][0], path, pixels(each))
        return {}


def remember(label: str, path: str, box: list[float]) -> None:
    """Add a support to a label's reference; one that has its supports stays."""
    file = file_of(label)
    with _adding:
        known = Reference.load(file) if file.is_file() else None
        supports: list[Any] = [] if known is None else list(zip(known.images, known.boxes, strict=True))
        if len(supports) < number('FOCUS_SHOTS', 4):
            file.parent.mkdir(parents=True, exist_ok=True)
            finder().remember([*supports, (path, box)], label).save(file)


def region(located: Located) -> dict[str, Any]:
    """A box in Label Studio's percents of the image."""
    assert located.box is not None
    (width, height), (x1, y1, x2, y2) = located.size, located.box
    return {
        'type': 'rectanglelabels',
        'original_width': width,
        'original_height': height,
        'image_rotation': 0,
        'score': located.score,
        'value': {
            'x': 100 * x1 / width,
            'y': 100 * y1 / height,
            'width': 100 * (x2 - x1) / width,
            'height': 100 * (y2 - y1) / height,
            'rotation': 0,
            'rectanglelabels': [located.reference],
        },
    }


def pixels(drawn: dict[str, Any]) -> list[float]:
    """(x1, y1, x2, y2) of a region of Label Studio."""
    value, width, height = drawn['value'], drawn['original_width'], drawn['original_height']
    x1, y1 = value['x'] / 100 * width, value['y'] / 100 * height
    x2, y2 = x1 + value['width'] / 100 * width, y1 + value['height'] / 100 * height
    # Percents are rounded, and may end outside.
    return [max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2)]


def main() -> None:
    finder()  # What is wrong with the settings is said at once.
    init_app(FocusBackend).run('127.0.0.1', int(number('PORT', 9090)))


if __name__ == '__main__':
    run_cli(main)
