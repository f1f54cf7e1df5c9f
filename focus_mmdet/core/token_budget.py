"""Batches cut into parts that fit a token budget."""

from collections.abc import Sequence


def split_by_tokens(tokens: Sequence[int], limit: int) -> list[tuple[int, int]]:
    """Ranges of neighbours with at most ``limit`` tokens, or one alone."""
    parts, start = [], 0
    for index in range(1, len(tokens) + 1):
        if index == len(tokens) or sum(tokens[start : index + 1]) > limit:
            parts.append((start, index))
            start = index
    return parts


def split_further(parts: Sequence[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """The same ranges cut into ``count``, the longest first."""
    result = list(parts)
    while len(result) < count:
        longest = max(range(len(result)), key=lambda index: result[index][1] - result[index][0])
        start, stop = result[longest]
        middle = (start + stop) // 2
        result[longest : longest + 1] = [(start, middle), (middle, stop)]
    return result
