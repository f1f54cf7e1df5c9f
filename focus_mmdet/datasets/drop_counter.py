"""Count what a converter leaves out: nothing is dropped in silence."""

from collections import Counter


class DropCounter:
    """Reasons with their number of records and the first example."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def drop(self, reason: str, record: str) -> None:
        """Count something that was left out, and keep the first example."""
        self.dropped[reason] += 1
        self._examples.setdefault(reason, record)

    def drop_lines(self) -> list[str]:
        """One line per reason, the most frequent first."""
        return [
            f'  dropped {count} times: {reason}; the first: {self._examples[reason]}'
            for reason, count in self.dropped.most_common()
        ]
