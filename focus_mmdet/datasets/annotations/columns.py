"""Keys of many JSON records at once, and their ids in natural order."""

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from focus_mmdet.datasets.annotations.natural_order import natural_order


class Columns:
    """The records of a list, and what all of them have under a key.

    Args:
        records: As they stand in the file.
    """

    def __init__(self, records: list[Any]) -> None:
        self.records = records
        self._made: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: str) -> list[Any]:
        """One value for each record; None where it has none, or is no object."""
        if key not in self._made:
            try:
                self._made[key] = [record.get(key) for record in self.records]
            except AttributeError:
                known = [record if isinstance(record, dict) else {} for record in self.records]
                self._made[key] = [record.get(key) for record in known]
        return self._made[key]

    @cached_property
    def layouts(self) -> dict[tuple[str, ...], int]:
        """Lists of keys that objects among the records have, each with the place of one of them."""
        return {tuple(record): place for place, record in enumerate(self.records) if isinstance(record, dict)}

    def all_have(self, needs: Collection[str], known: Collection[str] | None = None) -> bool:
        """Whether all are objects with the keys that they need and, with ``known``, no others."""
        if kinds(self.records) - {dict}:
            return False
        return all(
            set(needs) <= set(keys) and (known is None or set(keys) <= set(known)) for keys in self.layouts
        )


def kinds(values: Iterable[Any]) -> set[type]:
    """The types of some values."""
    return set(map(type, values))


def codes(values: Sequence[Any], distinct: Iterable[Any]) -> np.ndarray:
    """(N,) int64 place of each of N values among the ``distinct`` ones."""
    place = {value: number for number, value in enumerate(distinct)}
    return np.fromiter(map(place.__getitem__, values), np.int64, len(values))


def in_natural_order(values: Sequence[Any]) -> tuple[list[Any], np.ndarray]:
    """The distinct ones of N ids in natural order, and (N,) int64 the place of each id among them."""
    if (numbers := _whole(values)) is not None:
        known, places = np.unique(numbers, return_inverse=True)
        return known.tolist(), places
    distinct = sorted(dict.fromkeys(values), key=natural_order)
    return distinct, codes(values, distinct)


def natural_ranks(values: Sequence[Any]) -> np.ndarray:
    """(N,) int64 ranks of N ids in natural order, equal for ids that spell the same number."""
    if (numbers := _whole(values)) is not None:
        return numbers
    keys = {value: natural_order(value) for value in dict.fromkeys(values)}
    ranks = {key: rank for rank, key in enumerate(sorted(dict.fromkeys(keys.values())))}
    return codes([keys[value] for value in values], ranks)


def _whole(values: Sequence[Any]) -> np.ndarray | None:
    """The values as int64, where that is what all of them are."""
    if kinds(values) - {int}:
        return None
    try:
        return np.array(values, np.int64)
    except OverflowError:
        return None
