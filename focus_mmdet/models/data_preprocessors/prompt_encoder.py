"""An episode's text and visual tokens, and which of them mean what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from focus_mmdet.core.boxes import to_grid
from focus_mmdet.core.prompt import AFTER_BOX, episode_messages, format_answer, support_box_spans
from focus_mmdet.errors import InputError
from focus_mmdet.models.vlm.families import VLMFamily

#: Sets of prompt tokens that attention can be measured on.
MARKS = ('box_text', 'box_end', 'box_region', 'support_image', 'query_region')


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt up to the assistant's turn.

    Attributes:
        ids: (P,) token ids.
        marks: (P,) bool per name. ``box_text``: digits and spaces between the
            brackets of the support boxes; ``box_end``: the tokens of
            ``box_ends``; ``box_region``: visual tokens of the supports whose
            centre lies in the box; ``support_image``: all visual tokens of the
            supports; ``query_region``: visual tokens of the query in the true
            box, none where it is not known.
        query_rows: Range [start, stop) of the query image's visual tokens.
        box_ends: Per support the range of tokens that have read its whole
            box: its last digit and what follows before the next image.
        regions: Per support, (P,) bool: its part of ``box_region``.
    """

    ids: Tensor
    marks: dict[str, Tensor]
    query_rows: tuple[int, int]
    box_ends: list[tuple[int, int]]
    regions: list[Tensor]


@dataclass(frozen=True)
class EncodedAnswer:
    """The true answer of an episode.

    Attributes:
        ids: (A,) token ids with the stop token.
        opening: Tokens before the first coordinate.
        target: (4,) true box in cells, not rounded; zeros for an absent object.
    """

    ids: Tensor
    opening: int
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

    def prompt(self, sample: Any, grid_thw: Tensor) -> EncodedPrompt:
        """Encode one episode.

        Args:
            sample: ``DetDataSample`` with ``supports``.
            grid_thw: (K + 1, 3) patch grids of its images.
        """
        boxes = self._grid_boxes(sample.supports, grid_thw)
        text = self.processor.apply_chat_template(
            self.messages(sample, grid_thw), tokenize=False, add_generation_prompt=True
        )
        counts = self.family.image_tokens(grid_thw)
        text = self._expand_images(text, counts)
        encoded = self.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        ids = torch.tensor(encoded['input_ids'])
        images = torch.eq(ids, self.family.image_token_id).nonzero()[:, 0].split(counts)
        spans, offsets = support_box_spans(text, boxes), encoded['offset_mapping']
        regions = self._regions(len(ids), sample, images, grid_thw)
        ends = [_box_end(span, offsets) for span in spans]
        nothing = _marked(len(ids), [])
        return EncodedPrompt(
            ids=ids,
            marks={
                'box_text': _box_text(text, spans, offsets),
                'box_end': _marked(len(ids), [torch.arange(*end) for end in ends]),
                'box_region': sum(regions[:-1], start=nothing),
                'support_image': _marked(len(ids), images[:-1]),
                'query_region': regions[-1],
            },
            query_rows=(int(images[-1][0]), int(images[-1][-1]) + 1),
            box_ends=ends,
            regions=regions[:-1],
        )

    def messages(self, sample: Any, grid_thw: Tensor) -> list[dict[str, Any]]:
        """An episode as chat messages, arguments as of :meth:`prompt`."""
        return episode_messages(self._grid_boxes(sample.supports, grid_thw), self.may_be_absent)

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
        return EncodedAnswer(torch.tensor([*encoded['input_ids'], stop_id]), opening, target)

    def _grid_boxes(self, supports: Sequence[Any], grid_thw: Tensor) -> list[list[int]]:
        sizes = self.family.resized_sizes(grid_thw)[:-1]
        return [
            to_grid(_box(support), _size(support), self.family.cells(size))[0].tolist()
            for support, size in zip(supports, sizes, strict=True)
        ]

    def _expand_images(self, text: str, counts: Sequence[int]) -> str:
        """One placeholder per image to one per visual token."""
        placeholder = self.tokenizer.convert_ids_to_tokens(self.family.image_token_id)
        pieces = text.split(placeholder)
        if len(pieces) != len(counts) + 1:
            raise InputError(
                f'the chat template wrote {len(pieces) - 1} image placeholders for {len(counts)} images'
            )
        return ''.join(piece + placeholder * count for piece, count in zip(pieces, [*counts, 0], strict=True))

    def _regions(self, length: int, sample: Any, images: Sequence[Tensor], grid_thw: Tensor) -> list[Tensor]:
        """Per image, (length,) bool: its visual tokens inside its box, if it has one."""
        shapes = self.family.token_grid(grid_thw)
        regions = []
        for frame, image, shape in zip([*sample.supports, sample], images, shapes, strict=True):
            known = 'gt_instances' in frame and len(frame.gt_instances) == 1
            inside = [image[tokens_in_box(_box(frame)[0], _size(frame), shape)]] if known else []
            regions.append(_marked(length, inside))
        return regions


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


def tokens_in_box(box: Tensor, size: tuple[float, float], shape: tuple[int, int]) -> Tensor:
    """Which cells of an image's token grid have their centre in a box.

    Args:
        box: (4,) in pixels of an image of ``size``.
        size: (width, height).
        shape: (rows, columns) of tokens.

    Returns:
        (rows * columns,) bool. A box between all centres marks the token that
        its own centre lies in, so something is always marked.
    """
    rows, columns = shape
    x = (torch.arange(columns) + 0.5) * size[0] / columns
    y = (torch.arange(rows) + 0.5) * size[1] / rows
    x1, y1, x2, y2 = box.tolist()
    inside = ((y >= y1) & (y <= y2))[:, None] & ((x >= x1) & (x <= x2))[None]
    if not inside.any():
        row = min(rows - 1, int((y1 + y2) / 2 / size[1] * rows))
        column = min(columns - 1, int((x1 + x2) / 2 / size[0] * columns))
        inside[row, column] = True
    return inside.flatten()


def _marked(length: int, positions: Sequence[Tensor]) -> Tensor:
    marks = torch.zeros(length, dtype=torch.bool)
    for chosen in positions:
        marks[chosen] = True
    return marks


def _box(sample: Any) -> Tensor:
    """(1, 4) float pixels of a sample's only box."""
    bboxes = sample.gt_instances.bboxes
    return torch.as_tensor(getattr(bboxes, 'tensor', bboxes)).float().view(1, 4).cpu()


def _size(sample: Any) -> tuple[float, float]:
    """(width, height) of the image that the sample's box refers to."""
    height, width = sample.img_shape[:2]
    return float(width), float(height)
