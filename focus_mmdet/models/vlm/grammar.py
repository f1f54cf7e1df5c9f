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

from focus_mmdet.core.prompt import ABSENT_ANSWER, format_answer
from focus_mmdet.errors import InputError

#: Most digits of a coordinate: thousandths, or pixels of what a VLM sees.
_DIGITS = 4
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
        ended: (states,) bool, only one end is left.
        endings: Per state the ids to that end, the stop token included.
        steps: Most tokens between the opening and an ending.
    """

    opening: list[int]
    allowed: Tensor
    following: Tensor
    ended: Tensor
    endings: list[list[int]]
    steps: int

    @classmethod
    def build(
        cls, tokenizer: Any, may_be_absent: bool, stop_id: int, forbidden: Collection[int], vocabulary: int
    ) -> 'AnswerGrammar':
        """The grammar of a tokenizer.

        Args:
            tokenizer: Of transformers.
            may_be_absent: The answer may be that the query lacks the object.
            stop_id: Ends an answer.
            forbidden: Ids that are no text.
            vocabulary: V, the width of the model's logits.

        Raises:
            InputError: The tokenizer cannot write an answer.
        """
        automaton = _automaton(may_be_absent)
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
        if start is None or not allowed.any(1).all():
            raise InputError('grammar: the tokenizer cannot write an answer; set grammar=False')
        endings = [_ending(automaton, state, tokenizer, stop_id) for state in range(len(automaton))]
        order = [start, *(state for state in range(len(automaton)) if state != start)]
        place = torch.tensor(order).argsort().short()
        return cls(
            opening=opening,
            allowed=allowed[order],
            following=place[following[order].long()],
            ended=torch.tensor([bool(endings[state]) for state in order]),
            endings=[endings[state] for state in order],
            steps=len(format_answer([10**_DIGITS - 1] * 4)),
        )

    def to(self, device: torch.device) -> 'AnswerGrammar':
        """The same with its tables on ``device``."""
        tables = {name: getattr(self, name).to(device) for name in ('allowed', 'following', 'ended')}
        return replace(self, **tables)


def _automaton(may_be_absent: bool) -> Automaton:
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
        first = len(states)
        states += [{} for _ in range(_DIGITS)]
        for place in range(_DIGITS):
            source = state if place == 0 else first + place - 1
            states[source].update(dict.fromkeys('0123456789', first + place))
        # No number begins with 0 but this one.
        states[state]['0'] = first + _DIGITS - 1
        behind = write(first, separator)
        for place in range(1, _DIGITS):
            states[first + place][separator[0]] = states[first][separator[0]]
        state = behind
    if not may_be_absent:
        write(state, after[1:])
        return states
    absent = write(branch, ABSENT_ANSWER[common : -len(after) + 1])
    absent = write(absent, after[1:-1])
    state = write(state, after[1:])
    states[absent][after[-1]] = state
    return states


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


def _ending(automaton: Automaton, state: int, tokenizer: Any, stop_id: int) -> list[int]:
    """Ids from a state to the end; none where there are several ways."""
    text = ''
    while automaton[state]:
        if len(automaton[state]) > 1:
            return []
        ((letter, state),) = automaton[state].items()
        text += letter
    return [*tokenizer(text, add_special_tokens=False)['input_ids'], stop_id]
