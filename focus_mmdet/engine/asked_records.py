"""The test episodes of a config as records of image files, for tools that ask about them by themselves."""

from collections.abc import Iterator
from typing import Any

from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from focus_mmdet.engine.launch import check_inputs
from focus_mmdet.errors import InputError


def asked_records(config: Config) -> Iterator[dict[str, Any]]:
    """The record of each test episode's query, ``supports`` beside it.

    Raises:
        InputError: The test set has no files, or something is missing.
    """
    init_default_scope(config.get('default_scope') or 'mmdet')
    check_inputs(config, ['test_dataloader'])
    dataset: Any = DATASETS.build(config.test_dataloader.dataset)
    if not hasattr(dataset, 'get_data_info') or 'img_path' not in dataset.get_data_info(0):
        raise InputError('test_dataloader.dataset: give one EpisodeDataset of image files')
    return (dataset.get_data_info(index) for index in range(len(dataset)))


def shown_box(record: dict[str, Any]) -> tuple[float, ...] | None:
    """(x1, y1, x2, y2) in pixels of a frame's file; None where it lacks the object."""
    return next((tuple(instance['bbox']) for instance in record['instances']), None)


def shown_supports(record: dict[str, Any]) -> list[tuple[str, tuple[float, ...]]]:
    """Files of an episode's supports, and their boxes, as ``InContextInferencer.remember`` takes them."""
    return [(support['img_path'], tuple(support['instances'][0]['bbox'])) for support in record['supports']]
