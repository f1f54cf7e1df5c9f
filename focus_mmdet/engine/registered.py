"""Is a config's type what it should be?"""

from typing import Any

from mmdet.registry import TASK_UTILS


def is_registered(kind: Any, base: type) -> bool:
    """True for a subclass of ``base``, or the name of one in ``TASK_UTILS``."""
    found = TASK_UTILS.get(kind) if isinstance(kind, str) else kind
    return isinstance(found, type) and issubclass(found, base)
