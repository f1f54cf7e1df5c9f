"""Is a config's type what it should be?"""

from typing import Any

from mmdet.registry import TASK_UTILS
from mmengine.registry import Registry


def is_registered(kind: Any, base: type, registry: Registry = TASK_UTILS) -> bool:
    """True for a subclass of ``base``, or the name of one in ``registry``."""
    found = registry.get(kind) if kind and isinstance(kind, str) else kind
    return isinstance(found, type) and issubclass(found, base)
