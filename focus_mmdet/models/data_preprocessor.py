"""From collated episodes to the VLM's language."""

from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from focus_mmdet.core.boxes import to_grid
from focus_mmdet.core.prompt import episode_messages, format_answer, support_box_spans
from focus_mmdet.errors import InputError
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.processor import load_processor
from focus_mmdet.models.vlm import load_family


@MODELS.register_module()
class EpisodeDataPreprocessor(BaseDataPreprocessor):
    """Chat template, tokens, pixel values and the marks the losses need.

    Args:
        pretrained: VLM folder; :class:`FocusDetector` fills it in.
        max_tokens: Longest prompt and answer together. A longer episode is an
            error, because cutting it would cut an image.
    """

    def __init__(self, pretrained: str, max_tokens: int = 32768, non_blocking: bool = False) -> None:
        super().__init__(non_blocking=non_blocking)
        self.family = load_family(pretrained)
        self.processor = load_processor(pretrained)
        self.tokenizer = self.processor.tokenizer
        self.max_tokens = max_tokens

    @property
    def stop_id(self) -> int:
        """The token that ends an answer."""
        return int(self.tokenizer.convert_tokens_to_ids('<|im_end|>'))

    @property
    def forbidden_ids(self) -> list[int]:
        """Ids an answer must never hold: structural ones except the stop token."""
        special = set(self.tokenizer.all_special_ids) | set(self.tokenizer.added_tokens_decoder)
        vocabulary = int(self.family.config.get_text_config().vocab_size)
        return sorted(special - {self.stop_id}) + list(range(len(self.tokenizer), vocabulary))

    def decode(self, ids: Tensor) -> str:
        """Answer ids to text, without special tokens."""
        return str(self.tokenizer.decode(ids.tolist(), skip_special_tokens=True))

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a collated batch; one already prepared passes through.

        Args:
            data: ``inputs``, B lists of K + 1 uint8 images (3, H, W) in RGB,
                the query last; ``data_samples``, B samples whose ``supports``
                hold one box each in pixels of these images.
            training: Unused: ground truth is prepared wherever it exists.

        Returns:
            The same keys, ``inputs`` now an :class:`EpisodeBatch` on the
            model's device.
        """
        if isinstance(data['inputs'], EpisodeBatch):
            return data
        images, samples = data['inputs'], data['data_samples']
        if len(images) != len(samples):
            raise InputError(
                'the dataloader mixed frames of different episodes: set '
                "collate_fn=dict(type='collate_episodes')"
            )
        batch = self._prepare(images, samples).to(self.device)
        return {**data, 'inputs': batch, 'data_samples': self.cast_data(samples)}

    def _prepare(self, images: list[list[Tensor]], samples: list[DetDataSample]) -> EpisodeBatch:
        flat = [image.permute(1, 2, 0).cpu().numpy() for episode in images for image in episode]
        vision = self.processor.image_processor(flat, return_tensors='pt')
        frames = [len(episode) for episode in images]
        grids = vision['image_grid_thw'].split(frames)
        prompts, columns, rows, answers, targets, cells = [], [], [], [], [], []
        for sample, grid in zip(samples, grids, strict=True):
            prompt, marks = self._prompt(sample, grid)
            prompts.append(prompt)
            columns.append(marks)
            query_tokens = self.family.image_tokens(grid)[-1]
            stop = int(torch.eq(prompt, self.family.image_token_id).nonzero()[-1]) + 1
            rows.append((stop - query_tokens, stop))
            cells.append(self.family.cells(self.family.resized_sizes(grid)[-1]))
            if 'gt_instances' in sample and len(sample.gt_instances) == 1:
                answer, target = self._answer(sample, cells[-1])
                answers.append(answer)
                targets.append(target)
                self._check_length(sample, len(prompt) + len(answer))
        complete = len(answers) == len(samples)
        return EpisodeBatch(
            prompt_ids=prompts,
            answer_ids=answers if complete else None,
            pixel_values=vision['pixel_values'],
            grid_thw=vision['image_grid_thw'],
            frames=frames,
            box_columns=columns,
            query_rows=rows,
            cells=torch.tensor(cells),
            targets=torch.stack(targets) if complete else None,
        )

    def _check_length(self, sample: DetDataSample, length: int) -> None:
        if length > self.max_tokens:
            raise InputError(
                f'episode {sample.img_id}: {length} tokens, over max_tokens={self.max_tokens}. '
                'Lower the pixel budget (max_pixels) or the number of shots.'
            )

    def _prompt(self, sample: DetDataSample, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids (P,) and the support-box marks (P,) of one episode."""
        sizes = self.family.resized_sizes(grid)
        boxes = [
            to_grid(_box(support), _size(support), self.family.cells(size))[0].tolist()
            for support, size in zip(sample.supports, sizes[:-1], strict=True)
        ]
        text = self.processor.apply_chat_template(
            episode_messages(boxes), tokenize=False, add_generation_prompt=True
        )
        text = self._expand_images(text, self.family.image_tokens(grid))
        encoded = self.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        marks = torch.zeros(len(encoded['input_ids']), dtype=torch.bool)
        spans = support_box_spans(text, boxes)
        for index, (start, stop) in enumerate(encoded['offset_mapping']):
            inside = any(left <= start < stop <= right for left, right in spans)
            # Digits and spaces carry the box; commas are structure.
            marks[index] = inside and all(c.isdigit() or c.isspace() for c in text[start:stop])
        return torch.tensor(encoded['input_ids']), marks

    def _expand_images(self, text: str, counts: list[int]) -> str:
        """One placeholder per image to one per visual token."""
        placeholder = self.tokenizer.convert_ids_to_tokens(self.family.image_token_id)
        pieces = text.split(placeholder)
        if len(pieces) != len(counts) + 1:
            raise InputError(
                f'the chat template wrote {len(pieces) - 1} image placeholders for {len(counts)} images'
            )
        return ''.join(piece + placeholder * count for piece, count in zip(pieces, [*counts, 0], strict=True))

    def _answer(self, sample: DetDataSample, cells: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Answer ids with the stop token, and the target box (4,) in cells."""
        size = _size(sample)
        box = _box(sample)
        text = format_answer(to_grid(box, size, cells)[0].tolist())
        ids = self.tokenizer(text, add_special_tokens=False)['input_ids']
        scale = torch.tensor([cells[0] / size[0], cells[1] / size[1]] * 2)
        return torch.tensor([*ids, self.stop_id]), box[0] * scale


def _box(sample: Any) -> Tensor:
    """(1, 4) float pixels of a sample's only box."""
    bboxes = sample.gt_instances.bboxes
    return torch.as_tensor(getattr(bboxes, 'tensor', bboxes)).float().view(1, 4).cpu()


def _size(sample: Any) -> tuple[float, float]:
    """(width, height) of the image that the sample's box refers to."""
    height, width = sample.img_shape[:2]
    return float(width), float(height)
