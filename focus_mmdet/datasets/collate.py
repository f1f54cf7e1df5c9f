"""Batch episodes without mixing their frames."""

from collections.abc import Sequence
from typing import Any

from mmengine.registry import FUNCTIONS

from focus_mmdet.datasets.parcel import to_main_process
from focus_mmdet.errors import InputError

NO_TTA = (
    'test-time augmentation (--tta, tta_model, tta_pipeline) is not for episodes: a flip or another size of '
    'the query alone no longer fits its supports, and one answer has no boxes to merge. Test without it'
)


def episode_lists(batch: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Lists of B items under the keys of one item.

    MMEngine's ``pseudo_collate`` would transpose the frames of the episodes,
    and fail where episodes differ in shots.

    Raises:
        InputError: The pipeline makes several versions of an episode.
    """
    if any(isinstance(item['data_samples'], (list, tuple)) for item in batch):
        raise InputError(NO_TTA)
    return {key: [item[key] for item in batch] for key in batch[0]}


@FUNCTIONS.register_module()
def collate_episodes(batch: Sequence[dict[str, Any]]) -> Any:
    """:func:`episode_lists`, in a data worker packed for the main process."""
    return to_main_process(episode_lists(batch))
