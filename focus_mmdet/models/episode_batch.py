"""A batch of episodes in the VLM's language."""

from collections.abc import Sequence
from copy import copy
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
        pixel_values: (patches of all images, patch dimension).
        grid_thw: (images of all episodes, 3), episode by episode.
        frames: B image counts; they sum to ``len(grid_thw)``.
        marks: Per name of ``prompt_encoder.MARKS``, B bool tensors (P_i,).
        query_rows: B ranges [start, stop): the query image's visual tokens.
        box_ends: Per episode and support, the range of prompt tokens that have
            read its whole box.
        regions: Per episode and support, (P_i,) bool: visual tokens in its box.
        cells: (B, 2) largest x and y coordinate of each query's answer.
        targets: (B, 4) true boxes in answer coordinates, not rounded, zeros
            where the query lacks the object; None without ground truth.
        language: Folder and options of the encoder that wrote it, by which a
            model knows whether it can read it.
        features: Vision features, once a frozen tower has computed them.
    """

    prompt_ids: list[Tensor]
    answer_ids: list[Tensor] | None
    openings: list[int] | None
    pixel_values: Tensor
    grid_thw: Tensor
    frames: list[int]
    marks: dict[str, list[Tensor]]
    query_rows: list[tuple[int, int]]
    box_ends: list[list[tuple[int, int]]]
    regions: list[list[Tensor]]
    cells: Tensor
    targets: Tensor | None
    language: tuple[str, bool]
    features: Any = None

    def __len__(self) -> int:
        return len(self.prompt_ids)

    def select(self, start: int, stop: int) -> 'EpisodeBatch':
        """Episodes ``start`` to ``stop``, with their vision features."""
        first, last = sum(self.frames[:start]), sum(self.frames[:stop])
        patches = self.grid_thw.prod(-1)
        before = int(patches[:first].sum())
        targets = None if self.targets is None else self.targets[start:stop]
        return EpisodeBatch(
            prompt_ids=self.prompt_ids[start:stop],
            answer_ids=None if self.answer_ids is None else self.answer_ids[start:stop],
            openings=None if self.openings is None else self.openings[start:stop],
            pixel_values=self.pixel_values[before : before + int(patches[first:last].sum())],
            grid_thw=self.grid_thw[first:last],
            frames=self.frames[start:stop],
            marks={name: marks[start:stop] for name, marks in self.marks.items()},
            query_rows=self.query_rows[start:stop],
            box_ends=self.box_ends[start:stop],
            regions=self.regions[start:stop],
            cells=self.cells[start:stop],
            targets=targets,
            language=self.language,
            features=None if self.features is None else _select_images(self.features, first, last),
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


def _select_images(features: Any, first: int, last: int) -> Any:
    """Images ``first`` to ``last`` of transformers' vision features."""
    chosen = copy(features)
    chosen.pooler_output = features.pooler_output[first:last]
    tokens = [len(image) for image in features.pooler_output]

    def select(level: Any) -> Any:
        if isinstance(level, Tensor):  # transformers 5.17 keeps the images of a level together.
            return level[sum(tokens[:first]) : sum(tokens[:last])]
        return level[first:last]

    if features.get('deepstack_features') is not None:
        chosen.deepstack_features = [select(level) for level in features.deepstack_features]
    return chosen


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
