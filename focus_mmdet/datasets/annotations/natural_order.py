"""The order that people mean by the numbers and names they give to frames."""

import re

#: Runs of digits; longer ones than Python turns into a number are cut.
_DIGITS = re.compile(r'(\d{1,1000})')
_NUMBER = re.compile(r'[+-]?\d{1,1000}(\.\d{1,1000})?')


def as_number(name: int | str) -> int | float | None:
    """The number that ``name`` is or spells, as 8, ``'8'`` and ``'008'`` do; None for other text."""
    if not isinstance(name, str):
        return name
    match = _NUMBER.fullmatch(name)
    if match is None:
        return None
    return float(name) if match[1] else int(name)


def natural_order(name: int | str) -> tuple:
    """Sort key: numbers by value, however written, and other text by the numbers in it.

    ``7 < '8' < '10' < 'a9' < 'a10'``.
    """
    number = as_number(name)
    if number is not None:
        return ('', number, ''), ''
    parts = _DIGITS.split(str(name))
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts)), name
