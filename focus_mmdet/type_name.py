"""What a config's ``type`` names, however it is written."""

from typing import Any


def type_name(config: Any) -> str:
    """``'FocusDetector'`` for ``'FocusDetector'``, ``'mmdet.FocusDetector'`` and the class itself.

    Args:
        config: Of a component; one that is no dict, or has no type, gives ``''``.
    """
    kind = config.get('type', '') if isinstance(config, dict) else ''
    return kind.rpartition('.')[-1] if isinstance(kind, str) else getattr(kind, '__name__', '')
