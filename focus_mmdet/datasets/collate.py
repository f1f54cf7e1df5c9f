"""Batch episodes without mixing their frames."""

from collections.abc import Sequence
from typing import Any

from mmengine.registry import FUNCTIONS


@FUNCTIONS.register_module()
def collate_episodes(batch: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Lists of B items under the keys of one item.

    MMEngine's ``pseudo_collate`` would transpose the frames of the episodes,
    and fail where episodes differ in shots.
    """
    return {key: [item[key] for item in batch] for key in batch[0]}
