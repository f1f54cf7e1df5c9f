"""MMDetection's metrics that would judge episodes wrongly say so, whoever runs them.

An episode's ``img_id`` counts episodes: one image may be the query of many. Metrics that look it up in
a file find other images there. Every evaluator (a Runner's, and that of saved predictions) gives its
metrics the dataset's metainfo first, so that is where they are stopped.
"""

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mmdet.evaluation import CocoMetric, VOCMetric
from mmengine.evaluator import BaseMetric

from focus_mmdet.datasets.episode import DATASET_TYPE
from focus_mmdet.errors import InputError

#: Where MMDetection's metrics keep a file of ground truth, or its path.
_FILES = ('ann_file', '_coco_api', '_lvis_api', 'coco')
_INSTEAD = "InContextMetric, or dict(type='CocoMetric', metric='bbox') without ann_file"


def of_episodes(dataset_meta: Any) -> bool:
    """Whether a metainfo, or each of the list that a ``ConcatDataset`` has, is an episode dataset's."""
    metas = dataset_meta if isinstance(dataset_meta, Sequence) else [dataset_meta]
    return bool(metas) and all((meta or {}).get('dataset_type') == DATASET_TYPE for meta in metas)


def check_metric(metric: BaseMetric) -> None:
    """Raise :class:`InputError` for a metric of MMDetection that cannot judge episodes."""
    name = type(metric).__name__
    if isinstance(metric, VOCMetric):
        raise InputError(f'{name}: judges boxes in pixels of the resized image; for episodes give {_INSTEAD}')
    stock = any(base.__module__.startswith('mmdet.') for base in type(metric).__mro__)
    # CocoMetric keeps there, too, what it has made of the dataset itself; img_ids are set then.
    used = getattr(metric, 'img_ids', None) is not None
    if stock and not used and any(getattr(metric, key, None) is not None for key in _FILES):
        raise InputError(
            f'{name}(ann_file=...): image ids of a file are no ids of episodes, which are counted from 0, so '
            f'every figure would be wrong. For episodes give {_INSTEAD}: ground truth comes from the dataset'
        )


def check_image_ids(image_ids: Sequence[int]) -> None:
    """Raise :class:`InputError` where two episodes have one ``img_id``."""
    for image_id, count in Counter(image_ids).items():
        if count > 1:
            raise InputError(
                f'CocoMetric: img_id {image_id} stands for {count} episodes, because an img_id is unique '
                'within one dataset only. Give each dataset its own metric: '
                "dict(type='MultiDatasetsEvaluator', metrics=[...], dataset_prefixes=[...])"
            )


def install_checks() -> None:
    """Have the metrics of MMDetection check what they are given; other datasets than ours pass."""

    def set_dataset_meta(metric: BaseMetric, dataset_meta: Any) -> None:
        if of_episodes(dataset_meta):
            check_metric(metric)
        metric._dataset_meta = dataset_meta

    BaseMetric.dataset_meta = BaseMetric.dataset_meta.setter(set_dataset_meta)
    write = CocoMetric.gt_to_coco_json

    @functools.wraps(write)
    def gt_to_coco_json(metric: CocoMetric, gt_dicts: Sequence[dict], outfile_prefix: str) -> str:
        if of_episodes(metric.dataset_meta):
            check_image_ids([gt['img_id'] for gt in gt_dicts])
        path: str = write(metric, gt_dicts, outfile_prefix)
        return path

    CocoMetric.gt_to_coco_json = gt_to_coco_json
