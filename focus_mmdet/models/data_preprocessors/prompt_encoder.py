"""An episode's text and visual tokens, and which of them mean what."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from focus_mmdet.core.boxes import to_grid
from focus_mmdet.core.places import looks, places_along_edges, places_in_box
from focus_mmdet.core.prompt import AFTER_BOX, episode_messages, format_answer, support_box_spans
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.families import SeenImage, VLMFamily

#: Sets of prompt tokens that attention can be measured on.
MARKS = ('box_text', 'box_end', 'box_region', 'support_image', 'query_region', 'query_image')


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt up to the assistant's turn.

    Attributes:
        ids: (P,) token ids.
        marks: (P,) bool per name. ``box_text``: digits and spaces between the
            brackets of the support boxes; ``box_end``: the tokens of
            ``box_ends``; ``box_region``: visual tokens of the supports that
            look, with their centre, into the box; ``support_image``: all visual
            tokens of the supports that look somewhere; ``query_region``: visual
            tokens of the query that look into the true box, none where it is
            not known; ``query_image``: all of the query that look somewhere.
        query_rows: Range [start, stop) of ``query_image``.
        image_spans: Per image, the range of tokens that stand for it.
        box_ends: Per support the range of tokens that have read its whole
            box: its last digit and what follows before the next image.
        regions: Per support, (P,) bool: its part of ``box_region``.
        support_boxes: Per support, (4,) its box in 0..1 of the image.
        edges: Of the query's true box, left, top, right and bottom, (P,) bool: visual tokens that
            look along it, within a token's size; empty where it is not known.
    """

    ids: Tensor
    marks: dict[str, Tensor]
    query_rows: tuple[int, int]
    image_spans: list[tuple[int, int]]
    box_ends: list[tuple[int, int]]
    regions: list[Tensor]
    support_boxes: list[Tensor]
    edges: list[Tensor]


@dataclass(frozen=True)
class EncodedAnswer:
    """The true answer of an episode.

    Attributes:
        ids: (A,) token ids with the stop token.
        opening: Tokens before the first coordinate.
        coordinates: Of x1, y1, x2 and y2, the range of its tokens; empty for an absent object.
        target: (4,) true box in cells, not rounded; zeros for an absent object.
    """

    ids: Tensor
    opening: int
    coordinates: list[tuple[int, int]]
    target: Tensor


class PromptEncoder:
    """Writes prompts and answers in a VLM's tokens.

    Args:
        family: Conventions of the VLM.
        processor: Its processor; the tokenizer must be a fast one.
        may_be_absent: Queries may lack the object, and answers say so.
    """

    def __init__(self, family: VLMFamily, processor: Any, may_be_absent: bool = False) -> None:
        self.may_be_absent = may_be_absent
        self.family = family
        self.processor = processor
        self.tokenizer = processor.tokenizer
        #: Per number of supports, what a prompt says after its query image.
        self._requests: dict[int, str] = {}

    def prompt(self, sample: Any, images: Sequence[SeenImage]) -> EncodedPrompt:
        """Encode one episode.

        Args:
            sample: ``DetDataSample`` with ``supports``.
            images: Its K + 1 images, the query last.
        """
        boxes = self._grid_boxes(sample.supports, images)
        text = self.processor.apply_chat_template(
            self.messages(sample, images), tokenize=False, add_generation_prompt=True
        )
        text, places = self._expand_images(text, images)
        # As transformers' own processors: the template or the tokenizer writes the first token.
        first = self.tokenizer.bos_token
        encoded = self.tokenizer(
            text,
            return_offsets_mapping=True,
            add_special_tokens=first is not None and not text.startswith(first),
        )
        ids = torch.tensor(encoded['input_ids'])
        tokens = (
            torch.eq(ids, self.family.image_token_id)
            .nonzero()[:, 0]
            .split([len(image.places) for image in images])
        )
        seen = [each[looks(image.places)] for each, image in zip(tokens, images, strict=True)]
        spans, offsets = support_box_spans(text, boxes), encoded['offset_mapping']
        starts = [start for start, _ in offsets]
        ends = [_box_end(span, offsets) for span in spans]
        self._check_order(tokens, ends)
        regions = _regions(len(ids), sample, tokens, images)
        nothing = _marked(len(ids), [])
        return EncodedPrompt(
            ids=ids,
            marks={
                'box_text': _box_text(text, spans, offsets),
                'box_end': _marked(len(ids), [torch.arange(*end) for end in ends]),
                'box_region': sum(regions[:-1], start=nothing),
                'support_image': _marked(len(ids), seen[:-1]),
                'query_region': regions[-1],
                'query_image': _marked(len(ids), seen[-1:]),
            },
            query_rows=(int(seen[-1][0]), int(seen[-1][-1]) + 1),
            image_spans=[(bisect_left(starts, start), bisect_left(starts, stop)) for start, stop in places],
            box_ends=ends,
            regions=regions[:-1],
            support_boxes=[_relative(support) for support in sample.supports],
            edges=_edges(len(ids), sample, tokens[-1], images[-1]),
        )

    def behind_supports(self, image: SeenImage, shots: int) -> Tensor:
        """(T,) ids of a prompt from its query image on: the same, whatever the ``shots`` supports are."""
        if shots not in self._requests:
            text = self.processor.apply_chat_template(
                episode_messages([[0] * 4] * shots, self.may_be_absent),
                tokenize=False,
                add_generation_prompt=True,
            )
            self._requests[shots] = text.rpartition(self.family.image_token)[2]
        text = image.text + self._requests[shots]
        return torch.tensor(self.tokenizer(text, add_special_tokens=False)['input_ids'])

    def messages(self, sample: Any, images: Sequence[SeenImage]) -> list[dict[str, Any]]:
        """An episode as chat messages, arguments as of :meth:`prompt`."""
        return episode_messages(self._grid_boxes(sample.supports, images), self.may_be_absent)

    def answer(self, sample: Any, cells: tuple[int, int], stop_id: int) -> EncodedAnswer:
        """The true answer of an episode.

        Args:
            sample: With one ground-truth box, or none where the object may be
                absent.
            cells: Largest x and y coordinate of the answer.
            stop_id: Ends the answer.
        """
        size = _size(sample)
        if len(sample.gt_instances) == 0:
            text, target = format_answer(None), torch.zeros(4)
        else:
            box = _box(sample)
            text = format_answer(to_grid(box, size, cells)[0].tolist())
            target = box[0] * torch.tensor([cells[0] / size[0], cells[1] / size[1]] * 2)
        encoded = self.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        digits = [any(map(str.isdigit, text[start:stop])) for start, stop in encoded['offset_mapping']]
        opening = digits.index(True) if any(digits) else len(digits)
        return EncodedAnswer(torch.tensor([*encoded['input_ids'], stop_id]), opening, _runs(digits), target)

    def _grid_boxes(self, supports: Sequence[Any], images: Sequence[SeenImage]) -> list[list[int]]:
        return [
            to_grid(_box(support), _size(support), image.cells)[0].tolist()
            for support, image in zip(supports, images[:-1], strict=True)
        ]

    def _expand_images(self, text: str, images: Sequence[SeenImage]) -> tuple[str, list[tuple[int, int]]]:
        """One placeholder an image to what the processor writes for it, and where that stands."""
        pieces = text.split(self.family.image_token)
        if len(pieces) != len(images) + 1:
            raise InputError(
                f'the chat template wrote {len(pieces) - 1} image placeholders {self.family.image_token} for '
                f'{len(images)} images'
            )
        text, spans = pieces[0], []
        for image, piece in zip(images, pieces[1:], strict=True):
            spans.append((len(text), len(text) + len(image.text)))
            text += image.text + piece
        return text, spans

    def _check_order(self, tokens: Sequence[Tensor], ends: Sequence[tuple[int, int]]) -> None:
        """Raise :class:`InputError` unless each box follows its image, before the next one."""
        order = [place for image, (_, stop) in zip(tokens, ends, strict=False) for place in (image[-1], stop)]
        if sorted(order) != order or (ends and tokens[-1][0] < ends[-1][1]):
            raise InputError(
                'the chat template moves images away from the text that follows them. Give '
                f'{type(self.family).__name__} a chat_template that keeps their order'
            )


def _regions(length: int, sample: Any, tokens: Sequence[Tensor], images: Sequence[SeenImage]) -> list[Tensor]:
    """Per image, (length,) bool: its visual tokens that look into its box, if it has one."""
    regions = []
    for frame, at, image in zip([*sample.supports, sample], tokens, images, strict=True):
        known = 'gt_instances' in frame and len(frame.gt_instances) == 1
        regions.append(_marked(length, [at[places_in_box(image.places, _relative(frame))]] if known else []))
    return regions


def _runs(marks: Sequence[bool]) -> list[tuple[int, int]]:
    """Ranges [start, stop) of marks side by side."""
    edges = [
        place
        for place in range(len(marks) + 1)
        if any(marks[place - 1 : place]) != any(marks[place : place + 1])
    ]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _edges(length: int, sample: Any, tokens: Tensor, image: SeenImage) -> list[Tensor]:
    if 'gt_instances' not in sample or len(sample.gt_instances) != 1:
        return []
    return [_marked(length, [tokens[along]]) for along in places_along_edges(image.places, _relative(sample))]


def _box_text(text: str, spans: Sequence[tuple[int, int]], offsets: Sequence[tuple[int, int]]) -> Tensor:
    marks = torch.zeros(len(offsets), dtype=torch.bool)
    for index, (start, stop) in enumerate(offsets):
        inside = any(left <= start < stop <= right for left, right in spans)
        # Digits and spaces carry the box; commas are structure.
        marks[index] = inside and all(c.isdigit() or c.isspace() for c in text[start:stop])
    return marks


def _box_end(span: tuple[int, int], offsets: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Tokens [start, stop) from the last one of a box's coordinates to its sentence's end."""
    last = max(index for index, (start, _) in enumerate(offsets) if start < span[1])
    after = [index for index, (start, _) in enumerate(offsets) if start < span[1] + AFTER_BOX]
    return last, max(after) + 1


def _marked(length: int, positions: Sequence[Tensor]) -> Tensor:
    marks = torch.zeros(length, dtype=torch.bool)
    for chosen in positions:
        marks[chosen] = True
    return marks


def _box(sample: Any) -> Tensor:
    """(1, 4) float pixels of a sample's only box."""
    bboxes = sample.gt_instances.bboxes
    return torch.as_tensor(getattr(bboxes, 'tensor', bboxes)).float().view(1, 4).cpu()


def _relative(sample: Any) -> Tensor:
    """(4,) a sample's only box in 0..1 of its image."""
    return _box(sample)[0].double() / torch.tensor(_size(sample) * 2, dtype=torch.float64)


def _size(sample: Any) -> tuple[float, float]:
    """(width, height) of the image that the sample's box refers to."""
    height, width = sample.img_shape[:2]
    return float(width), float(height)
