"""What to raise when something the user gave us is wrong."""

import math
from collections.abc import Collection
from typing import Any


class InputError(ValueError):
    """Bad input: the message names the file, the record and what to do.

    Command-line tools print the message alone, without a traceback, and exit
    with status 2.
    """


def check_number(
    key: str, value: Any, low: float | None = None, high: float | None = None, whole: bool = False
) -> None:
    """Raise :class:`InputError` unless ``low <= value <= high``.

    Args:
        key: The config key, for the message.
        value: What the user gave.
        low: Smallest allowed value, None for no bound.
        high: Largest allowed value, None for no bound.
        whole: Only integers.
    """
    kinds: Any = int if whole else (int, float)
    right = isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
    if right and (low is None or value >= low) and (high is None or value <= high):
        return
    bounds = [f'at least {low}'] * (low is not None) + [f'at most {high}'] * (high is not None)
    kind = 'a whole number' if whole else 'a number'
    raise InputError(f'{key}={value!r}: give {" ".join([kind, " and ".join(bounds)]).strip()}')


def check_pair(key: str, value: Any) -> None:
    """Raise :class:`InputError` unless ``value`` is a list or tuple of two."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise InputError(f'{key}={value!r}: give two numbers, as a list or tuple')


def check_choice(key: str, value: Any, known: Collection[Any]) -> None:
    """Raise :class:`InputError` unless ``value`` is one of ``known``."""
    if value not in known:
        raise InputError(f'{key}={value!r} is not one of {tuple(known)}')
