"""MMDetection's metrics that would judge episodes wrongly say so, whoever runs them.

An episode's ``img_id`` counts episodes; metrics that look it up in a file find other images there.
Runners and the evaluation of saved predictions share MMEngine's ``Evaluator``: they are stopped there,
at the first episode.
"""

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mmdet.evaluation import CocoMetric, VOCMetric
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric, Evaluator

from focus_mmdet.datasets.episode import EpisodeNumber
from focus_mmdet.errors import InputError

#: Where MMDetection's metrics keep a file of ground truth, or its path.
_FILES = ('ann_file', '_coco_api', '_lvis_api', 'coco')
_INSTEAD = "InContextMetric, or dict(type='CocoMetric', metric='bbox') without ann_file"


def metric_class(config: dict[str, Any]) -> type:
    """The class that a metric's config names; ``object`` where none is known by the name."""
    kind = config.get('type')
    found = METRICS.get(kind) if isinstance(kind, str) else kind
    return found if isinstance(found, type) else object


def check_metric(kind: type, has_file: bool) -> None:
    """Raise :class:`InputError` for a metric of MMDetection that cannot judge episodes.

    Args:
        kind: Its class.
        has_file: It was given a file of ground truth.
    """
    name = kind.__name__
    if issubclass(kind, VOCMetric):
        raise InputError(f'{name}: judges boxes in pixels of the resized image; for episodes give {_INSTEAD}')
    if has_file and any(base.__module__.startswith('mmdet.') for base in kind.__mro__):
        raise InputError(
            f'{name}(ann_file=...): image ids of a file are no ids of episodes, which are counted from 0, so '
            f'every figure would be wrong. For episodes give {_INSTEAD}: ground truth comes from the dataset'
        )


def _has_file(metric: BaseMetric) -> bool:
    # CocoMetric keeps there, too, what it has made of the dataset itself; img_ids are set then.
    used = getattr(metric, 'img_ids', None) is not None
    return not used and any(getattr(metric, key, None) is not None for key in _FILES)


def check_image_ids(image_ids: Sequence[int]) -> None:
    """Raise :class:`InputError` where two episodes have one ``img_id``."""
    numbers = Counter(each for each in image_ids if isinstance(each, EpisodeNumber))
    for number, count in numbers.items():
        if count > 1:
            raise InputError(
                f'CocoMetric: img_id {number} stands for {count} episodes, because an img_id is unique '
                'within one dataset only. Give each dataset its own metric: '
                "dict(type='MultiDatasetsEvaluator', metrics=[...], dataset_prefixes=[...])"
            )


def install_checks() -> None:
    """Have the metrics of MMDetection check what they are given; images that are no episodes pass."""
    judge, write = Evaluator.process, CocoMetric.gt_to_coco_json

    @functools.wraps(judge)
    def process(evaluator: Evaluator, data_samples: Sequence[Any], data_batch: Any = None) -> None:
        if any(isinstance(sample.get('img_id'), EpisodeNumber) for sample in data_samples):
            for metric in evaluator.metrics:
                check_metric(type(metric), _has_file(metric))
        judge(evaluator, data_samples, data_batch)

    @functools.wraps(write)
    def gt_to_coco_json(metric: CocoMetric, gt_dicts: Sequence[dict], outfile_prefix: str) -> str:
        check_image_ids([gt['img_id'] for gt in gt_dicts])
        path: str = write(metric, gt_dicts, outfile_prefix)
        return path

    Evaluator.process = process
    CocoMetric.gt_to_coco_json = gt_to_coco_json
