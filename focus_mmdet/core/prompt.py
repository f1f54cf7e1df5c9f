"""An episode as chat messages, and an answer back as a box.

The structure is the paper's: the task once, then each support image followed
by its box as text, last the query image with the request. No category name
and no reasoning trace.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TASK = (
    'These frames show the same object. In each earlier frame its bounding box is given as '
    '[x1, y1, x2, y2]. Find the object in the last frame and answer with one box, '
    'written <answer>[x1, y1, x2, y2]</answer>.'
)
#: Added where a query may lack the object.
MAY_BE_ABSENT = ' If the object is not in the last frame, answer <answer>none</answer>.'
ABSENT_ANSWER = '<answer>none</answer>'
SUPPORT = 'Frame {index}: The object is located at bounding box {box}.'
QUERY = 'Frame {index}: Where is the object?'

#: Characters of a support's sentence from the closing bracket on.
AFTER_BOX = len(SUPPORT.rpartition('{box}')[2]) + 1

_INTEGER = r'\s*(\d{1,5})\s*'
_BOX = re.compile(r'\[' + ','.join([_INTEGER] * 4) + r'\]')
_ANSWER = re.compile(r'<answer>\[\d{1,5}, \d{1,5}, \d{1,5}, \d{1,5}\]</answer>')

Box = Sequence[int]


def format_box(box: Box) -> str:
    """``[x1, y1, x2, y2]`` in the grid coordinates of the model."""
    return '[' + ', '.join(str(int(value)) for value in box) + ']'


def format_answer(box: Box | None) -> str:
    """The text the assistant is trained to give; ``none`` without a box."""
    return ABSENT_ANSWER if box is None else f'<answer>{format_box(box)}</answer>'


def episode_messages(support_boxes: Sequence[Box], may_be_absent: bool = False) -> list[dict[str, Any]]:
    """Chat messages with K + 1 image slots: K supports, then the query.

    Args:
        support_boxes: K boxes in the grid coordinates of the model.
        may_be_absent: Also ask whether the query shows the object at all.
    """
    content: list[dict[str, str]] = [{'type': 'text', 'text': TASK + MAY_BE_ABSENT * may_be_absent}]
    for index, box in enumerate(support_boxes, start=1):
        sentence = SUPPORT.format(index=index, box=format_box(box))
        content += [{'type': 'image'}, {'type': 'text', 'text': sentence}]
    request = QUERY.format(index=len(support_boxes) + 1)
    content += [{'type': 'image'}, {'type': 'text', 'text': request}]
    return [{'role': 'user', 'content': content}]


def support_box_spans(text: str, support_boxes: Sequence[Box]) -> list[tuple[int, int]]:
    """Where each support's coordinates stand in the rendered prompt.

    Args:
        text: The prompt after the chat template.
        support_boxes: The boxes given to :func:`episode_messages`.

    Returns:
        K character ranges [start, stop): what lies between the brackets.

    Raises:
        ValueError: The template changed the sentences, so the loss would mark
            the wrong tokens.
    """
    spans = []
    cursor = 0
    for index, box in enumerate(support_boxes, start=1):
        sentence = SUPPORT.format(index=index, box=format_box(box))
        found = text.find(sentence, cursor)
        if found < 0:
            raise ValueError(
                f'The chat template altered the support sentence {sentence!r}; the support-box '
                'tokens cannot be marked. Use a template that keeps user text as it is.'
            )
        start = found + sentence.index('[') + 1
        spans.append((start, found + sentence.rindex(']')))
        cursor = found + len(sentence)
    return spans


@dataclass(frozen=True)
class Answer:
    """What a generated text says.

    Attributes:
        box: (x1, y1, x2, y2) in grid coordinates, or None.
        reason: Why there is no box: ``'no_box'`` (no bracket of four
            integers), ``'empty_box'`` (x2 <= x1 or y2 <= y1) or ``'outside'``
            (of the image); else None.
        well_formed: The whole text is one ``<answer>[..]</answer>``, or says
            in its form that the object is absent, where that may be.
        absent: The text says that the query lacks the object.
    """

    box: tuple[int, int, int, int] | None
    reason: str | None
    well_formed: bool
    absent: bool = False


def parse_answer(text: str, may_be_absent: bool = False, cells: Sequence[int] | None = None) -> Answer:
    """Read the first box of an answer; never raises.

    Args:
        text: As written, without special tokens.
        may_be_absent: The query may lack the object.
        cells: The image's largest coordinates in x and y, to which the box is
            clipped; None leaves it as written.
    """
    if may_be_absent and text.strip() == ABSENT_ANSWER:
        return Answer(None, None, True, absent=True)
    well_formed = _ANSWER.fullmatch(text.strip()) is not None
    match = _BOX.search(text)
    if match is None:
        return Answer(None, 'no_box', well_formed)
    x1, y1, x2, y2 = (int(value) for value in match.groups())
    if x2 <= x1 or y2 <= y1:
        return Answer(None, 'empty_box', well_formed)
    if cells is not None:
        x2, y2 = min(x2, cells[0]), min(y2, cells[1])
        if x2 <= x1 or y2 <= y1:
            return Answer(None, 'outside', well_formed)
    return Answer((x1, y1, x2, y2), None, well_formed)
