"""A batch of episodes in the VLM's language."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from mmdet.structures import DetDataSample
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from focus_mmdet.errors import InputError


@dataclass
class EpisodeBatch:
    """What :class:`EpisodeDataPreprocessor` makes of B episodes.

    Attributes:
        prompt_ids: B tensors (P_i,), the prompt up to the assistant's turn.
        answer_ids: B tensors (A_i,), the true answer with its stop token;
            None where there is no ground truth.
        openings: B numbers of answer tokens before the first coordinate.
        vision: What the vision part is given of each image, episode by episode:
            tensors by their names in the VLM's family, which puts them together.
        places: Of each image, (N, 4) where its visual tokens look; see
            :mod:`focus_mmdet.core.places`.
        frames: B image counts; they sum to ``len(vision)``.
        marks: Per name of ``prompt_encoder.MARKS``, B bool tensors (P_i,).
        query_rows: B ranges [start, stop) that hold the query image's visual
            tokens; ``marks['query_image']`` says which they are.
        image_spans: Per episode and image, the range of prompt tokens that stand
            for it, those between its visual tokens included.
        box_ends: Per episode and support, the range of prompt tokens that have
            read its whole box.
        regions: Per episode and support, (P_i,) bool: visual tokens in its box.
        support_boxes: Per episode and support, (4,) its box in 0..1 of the image.
        edges: Per episode and edge of the query's box, (P_i,) bool: visual tokens along it.
        coordinates: Per episode and coordinate of the answer, the range of its tokens; None
            where there is no ground truth.
        cells: (B, 2) largest x and y coordinate of each query's answer.
        targets: (B, 4) true boxes in answer coordinates, not rounded, zeros
            where the query lacks the object; None without ground truth.
        language: Folder and options of the encoder that wrote it, by which a
            model knows whether it can read it.
        features: Of each image, what a frozen vision part has made of it.
    """

    prompt_ids: list[Tensor]
    answer_ids: list[Tensor] | None
    openings: list[int] | None
    vision: list[dict[str, Tensor]]
    places: list[Tensor]
    frames: list[int]
    marks: dict[str, list[Tensor]]
    query_rows: list[tuple[int, int]]
    image_spans: list[list[tuple[int, int]]]
    box_ends: list[list[tuple[int, int]]]
    regions: list[list[Tensor]]
    support_boxes: list[list[Tensor]]
    edges: list[list[Tensor]]
    coordinates: list[list[tuple[int, int]]] | None
    cells: Tensor
    targets: Tensor | None
    language: tuple[str, bool]
    features: list[Any] | None = None

    def __len__(self) -> int:
        return len(self.prompt_ids)

    def select(self, start: int, stop: int) -> 'EpisodeBatch':
        """Episodes ``start`` to ``stop``, with their vision features."""
        first, last = sum(self.frames[:start]), sum(self.frames[:stop])
        targets = None if self.targets is None else self.targets[start:stop]
        return EpisodeBatch(
            prompt_ids=self.prompt_ids[start:stop],
            answer_ids=None if self.answer_ids is None else self.answer_ids[start:stop],
            openings=None if self.openings is None else self.openings[start:stop],
            vision=self.vision[first:last],
            places=self.places[first:last],
            frames=self.frames[start:stop],
            marks={name: marks[start:stop] for name, marks in self.marks.items()},
            query_rows=self.query_rows[start:stop],
            image_spans=self.image_spans[start:stop],
            box_ends=self.box_ends[start:stop],
            regions=self.regions[start:stop],
            support_boxes=self.support_boxes[start:stop],
            edges=self.edges[start:stop],
            coordinates=None if self.coordinates is None else self.coordinates[start:stop],
            cells=self.cells[start:stop],
            targets=targets,
            language=self.language,
            features=None if self.features is None else self.features[first:last],
        )

    def to(self, device: torch.device | str) -> 'EpisodeBatch':
        """The same batch with every tensor on ``device``."""

        def move(value: object) -> object:
            if isinstance(value, Tensor):
                return value.to(device, non_blocking=True)
            if isinstance(value, list):
                return [move(item) for item in value]
            if isinstance(value, dict):
                return {key: move(item) for key, item in value.items()}
            return value

        return EpisodeBatch(**{item.name: move(getattr(self, item.name)) for item in fields(self)})  # type: ignore[arg-type]


def pad(sequences: list[Tensor], value: int, side: str) -> tuple[Tensor, Tensor]:
    """Stack token sequences.

    Args:
        sequences: B tensors (T_i,).
        value: The padding id.
        side: ``'right'`` for training, ``'left'`` for generation.

    Returns:
        (B, T) ids and (B, T) int64 attention mask.
    """
    ids = pad_sequence(sequences, batch_first=True, padding_value=value, padding_side=side)
    ones = [torch.ones_like(sequence) for sequence in sequences]
    return ids, pad_sequence(ones, batch_first=True, padding_side=side)


def answer_targets(prompts: list[Tensor], answers: list[Tensor]) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Where each answer token is predicted, (batch, position), and its id."""
    rows, columns = [], []
    for index, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        start = len(prompt) - 1
        columns.append(torch.arange(start, start + len(answer), device=answer.device))
        rows.append(torch.full_like(columns[-1], index))
    return (torch.cat(rows), torch.cat(columns)), torch.cat(answers)


def require_ground_truth(batch: EpisodeBatch, samples: Sequence[DetDataSample]) -> None:
    """Raise :class:`InputError` with the episodes of a batch that cannot be learned from."""
    if batch.targets is not None:
        return
    names = [
        f'{sample.get("img_path") or "a drawn scene"} (episode {sample.img_id})'
        for sample in samples
        if len(sample.get('gt_instances', ())) != 1
    ]
    raise InputError(
        f'{", ".join(names)}: training needs exactly one ground-truth box in every query image. For queries '
        'that lack the object set model.data_preprocessor.may_be_absent=True'
    )
