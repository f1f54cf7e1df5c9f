"""What an answer may look like, token by token, for any tokenizer.

Characters first: a small automaton reads ``<answer>[x1, y1, x2, y2]</answer>`` and, where queries may lack
the object, ``<answer>none</answer>``. A token may follow where the automaton can read all of its characters,
however the tokenizer joins digits, commas and spaces.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from focus_mmdet.core.prompt import ABSENT_ANSWER, format_answer
from focus_mmdet.errors import InputError

#: First coordinates that a tokenizer may join in different ways with what stands before them.
_EXAMPLES = (*range(10), 10, 57, 100, 123, 999, 1000)
#: How tokenizers write a space: byte-level ones, and SentencePiece.
_SPACES = str.maketrans({'\u0120': ' ', '\u2581': ' '})

Automaton = list[dict[str, int]]


@dataclass(frozen=True)
class AnswerGrammar:
    """Which tokens may follow.

    Attributes:
        opening: Ids with which every answer begins.
        allowed: (states, V) bool, which ids may follow in a state; the first is behind the opening.
        following: (states, V) the state behind each of them.
        forced: (states, F) ids that must follow in a state, in order, before there is a choice.
        count: (states,) how many of the F these are.
        settled: (states,) the state behind these.
        ended: (states,) bool, only one end is left.
        endings: Per state the ids to that end, the stop token included.
        steps: Most tokens that are chosen.
    """

    opening: list[int]
    allowed: Tensor
    following: Tensor
    forced: Tensor
    count: Tensor
    settled: Tensor
    ended: Tensor
    endings: list[list[int]]
    steps: int

    @classmethod
    def build(
        cls,
        tokenizer: Any,
        may_be_absent: bool,
        largest: int,
        stop_id: int,
        forbidden: Collection[int],
        vocabulary: int,
    ) -> 'AnswerGrammar':
        """The grammar of a tokenizer.

        Args:
            tokenizer: Of transformers.
            may_be_absent: The answer may be that the query lacks the object.
            largest: Coordinate; at least 1.
            stop_id: Ends an answer.
            forbidden: Ids that are no text.
            vocabulary: V, the width of the model's logits.

        Raises:
            InputError: The tokenizer cannot write an answer.
        """
        automaton = _automaton(may_be_absent, largest)
        opening = _opening(tokenizer, may_be_absent)
        pieces = tokenizer.convert_ids_to_tokens(list(range(min(len(tokenizer), vocabulary))))
        texts = [(piece or '').translate(_SPACES) for piece in pieces]
        start = _read(automaton, 0, ''.join(texts[index] for index in opening))
        letters = {letter for state in automaton for letter in state}
        unusable = {*forbidden, stop_id}
        usable = {
            index: text
            for index, text in enumerate(texts)
            if text and letters.issuperset(text) and index not in unusable
        }
        allowed = torch.zeros(len(automaton), vocabulary, dtype=torch.bool)
        following = torch.zeros(len(automaton), vocabulary, dtype=torch.int16)
        for state in range(len(automaton)):
            for index, text in usable.items():
                behind = _read(automaton, state, text)
                if behind is not None:
                    allowed[state, index], following[state, index] = True, behind
        last = len(automaton) - 1
        allowed[last, stop_id], following[last, stop_id] = True, last
        alive = _drop_dead_ends(allowed, following)
        if start is None or not alive[start]:
            raise InputError('grammar: the tokenizer cannot write an answer; set grammar=False')
        order = [start, *(state for state in range(len(automaton)) if state != start)]
        allowed, following = allowed[order], torch.tensor(order).argsort()[following[order].long()]
        endings = [_ending(automaton, state, tokenizer, stop_id) for state in order]
        forced, settled = zip(
            *(_forced(allowed, following, endings, state) for state in range(len(order))), strict=True
        )
        return cls(
            opening=opening,
            allowed=allowed,
            following=following.short(),
            forced=pad_sequence([torch.tensor(ids, dtype=torch.long) for ids in forced], batch_first=True),
            count=torch.tensor([len(ids) for ids in forced]),
            settled=torch.tensor(settled),
            ended=torch.tensor([bool(ending) for ending in endings]),
            endings=endings,
            steps=len(format_answer([largest] * 4)),
        )

    def go_on(self, state: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What a model reads next.

        Args:
            state: (B,) before ``chosen``.
            chosen: (B,) ids.

        Returns:
            (B, W) ids, the chosen ones and what must follow, after padding on the left; (B, W) the places of
            these behind what was read, negative for padding; and (B,) the states behind them.
        """
        state = self.following[state, chosen].long()
        count = self.count[state]
        width = 1 + int(count.max())
        if width == 1:
            return chosen[:, None], torch.zeros_like(chosen[:, None]), state
        place = torch.arange(width, device=chosen.device) - (width - 1 - count)[:, None]
        ids = torch.cat([chosen[:, None], self.forced[state]], 1).gather(1, place.clamp(min=0))
        return ids, place, self.settled[state]

    def whole(self, chosen: Sequence[int]) -> tuple[list[int], list[bool]]:
        """The ids of an answer, and which of them were chosen, from those that were."""
        ids, was_chosen, state = list(self.opening), [False] * len(self.opening), 0
        for index in chosen:
            state = int(self.following[state, index])
            must = self.forced[state, : int(self.count[state])].tolist()
            state = int(self.settled[state])
            must += self.endings[state]
            ids += [index, *must]
            was_chosen += [True, *[False] * len(must)]
        return ids, was_chosen

    def to(self, device: torch.device) -> 'AnswerGrammar':
        """The same with its tables on ``device``."""
        names = ('allowed', 'following', 'forced', 'count', 'settled', 'ended')
        tables = {name: getattr(self, name).to(device) for name in names}
        return replace(self, **tables)


def _automaton(may_be_absent: bool, largest: int) -> Automaton:
    """Per state, the state behind each character; the last one ends an answer."""
    before, after = format_answer((0, 0, 0, 0)).split('0, 0, 0, 0')
    common = len(_common_beginning([before, ABSENT_ANSWER]))
    states: Automaton = [{}]

    def write(state: int, text: str) -> int:
        for letter in text:
            states.append({})
            states[state][letter] = len(states) - 1
            state = len(states) - 1
        return state

    branch = write(0, before[:common])
    state = write(branch, before[common:])
    for separator in (', ', ', ', ', ', after[0]):
        numbers = _add_number(states, state, str(largest))
        state = write(numbers[0], separator)
        for number in numbers:
            states[number][separator[0]] = states[numbers[0]][separator[0]]
    if not may_be_absent:
        write(state, after[1:])
        return states
    absent = write(branch, ABSENT_ANSWER[common : -len(after) + 1])
    absent = write(absent, after[1:-1])
    state = write(state, after[1:])
    states[absent][after[-1]] = state
    return states


def _add_number(states: Automaton, start: int, largest: str) -> list[int]:
    """Whole numbers from 0 to ``largest``, behind the state ``start``: the new states, behind whole ones."""
    added: dict[tuple[int, int], int] = {}

    def reach(length: int, order: int) -> int:
        """Behind so many digits, which are less than as many of ``largest`` (-1), equal (0) or more (1)."""
        if (length, order) not in added:
            states.append({})
            added[length, order] = len(states) - 1
            go_on(added[length, order], length, order)
        return added[length, order]

    def go_on(state: int, length: int, order: int) -> None:
        if length == len(largest):
            return
        for digit in '0123456789' if length else '123456789':
            behind = order or (digit > largest[length]) - (digit < largest[length])
            if length + 1 < len(largest) or behind <= 0:
                states[state][digit] = reach(length + 1, behind)

    go_on(start, 0, 0)
    states[start]['0'] = reach(len(largest), -1)  # No other number begins with it.
    return list(added.values())


def _drop_dead_ends(allowed: Tensor, following: Tensor) -> Tensor:
    """Disallow tokens behind which no end can be written; (states,) bool, from which one can."""
    alive = torch.zeros(len(allowed), dtype=torch.bool)
    alive[-1], count = True, 0
    while int(alive.sum()) > count:
        count = int(alive.sum())
        alive |= (allowed & alive[following.long()]).any(1)
    allowed &= alive[following.long()]
    return alive


def _read(automaton: Automaton, state: int, text: str) -> int | None:
    """The state behind ``text``; None where it cannot be read."""
    for letter in text:
        if letter not in automaton[state]:
            return None
        state = automaton[state][letter]
    return state


def _opening(tokenizer: Any, may_be_absent: bool) -> list[int]:
    """The first tokens of all answers."""
    answers = [format_answer((first, 5, 678, 90)) for first in _EXAMPLES]
    answers += [ABSENT_ANSWER] * may_be_absent
    written = [tokenizer(answer, add_special_tokens=False)['input_ids'] for answer in answers]
    return list(_common_beginning(written))


def _common_beginning(sequences: Sequence[Any]) -> Any:
    """With what all of them begin."""
    first, last = min(sequences), max(sequences)
    same = [one == other for one, other in zip(first, last, strict=False)]
    return first[: [*same, False].index(False)]


def _forced(
    allowed: Tensor, following: Tensor, endings: Sequence[list[int]], state: int
) -> tuple[list[int], int]:
    """Ids that must follow in a state, and the state behind them."""
    ids: list[int] = []
    while not endings[state] and int(allowed[state].sum()) == 1:
        ids.append(int(allowed[state].int().argmax()))
        state = int(following[state, ids[-1]])
    return ids, state


def _ending(automaton: Automaton, state: int, tokenizer: Any, stop_id: int) -> list[int]:
    """Ids from a state to the end; none where there are several ways."""
    text = ''
    while automaton[state]:
        if len(automaton[state]) > 1:
            return []
        ((letter, state),) = automaton[state].items()
        text += letter
    return [*tokenizer(text, add_special_tokens=False)['input_ids'], stop_id]
