"""Batches cut into parts that fit a token budget."""

from collections.abc import Sequence


def padded_tokens(prompts: Sequence[int], answers: Sequence[int]) -> int:
    """Tokens of groups laid out together: prompts and answers are padded apart."""
    return len(prompts) * (max(prompts) + max(answers))


def split_by_tokens(prompts: Sequence[int], answers: Sequence[int], limit: int) -> list[tuple[int, int]]:
    """Ranges of neighbours that take at most ``limit`` tokens, or one alone.

    Args:
        prompts: Tokens of each group's prompt.
        answers: Tokens of all answers of each group.
        limit: Padding included.
    """
    parts, start = [], 0
    for index in range(1, len(prompts) + 1):
        more = slice(start, index + 1)
        if index == len(prompts) or padded_tokens(prompts[more], answers[more]) > limit:
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
