"""From collated episodes to the VLM's language."""

import logging
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.logging import print_log
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from focus_mmdet.core.prompt import Answer, parse_answer
from focus_mmdet.errors import InputError
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.processor import load_processor
from focus_mmdet.models.prompt_encoder import MARKS, PromptEncoder
from focus_mmdet.models.vlm import load_family


@MODELS.register_module()
class EpisodeDataPreprocessor(BaseDataPreprocessor):
    """Chat template, tokens, pixel values and the marks the losses need.

    Args:
        pretrained: VLM folder; :class:`FocusDetector` fills it in.
        max_tokens: Longest prompt. A longer one is an error, because cutting it
            would cut an image.
        may_be_absent: Queries may lack the object; the prompt says so, and
            ``<answer>none</answer>`` is a right answer.
    """

    def __init__(
        self,
        pretrained: str,
        max_tokens: int = 32768,
        may_be_absent: bool = False,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        self.family = load_family(pretrained)
        self.processor = load_processor(pretrained)
        self.may_be_absent = may_be_absent
        self.encoder = PromptEncoder(self.family, self.processor, may_be_absent)
        self.tokenizer = self.processor.tokenizer
        self.max_tokens = max_tokens
        self._warned = False

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

    def read(self, text: str) -> Answer:
        """What an answer says."""
        return parse_answer(text, self.may_be_absent)

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
        self._warn_resized_again(flat, vision['image_grid_thw'])
        frames = [len(episode) for episode in images]
        grids = vision['image_grid_thw'].split(frames)
        prompts = [self.encoder.prompt(*pair) for pair in zip(samples, grids, strict=True)]
        cells = [self.family.cells(self.family.resized_sizes(grid)[-1]) for grid in grids]
        counts = {len(sample.gt_instances) if 'gt_instances' in sample else None for sample in samples}
        known = counts <= ({0, 1} if self.may_be_absent else {1})
        answers, targets = None, None
        if known:
            pairs = [
                self.encoder.answer(sample, cell, self.stop_id)
                for sample, cell in zip(samples, cells, strict=True)
            ]
            answers = [ids for ids, _ in pairs]
            targets = torch.stack([target for _, target in pairs])
        for sample, prompt in zip(samples, prompts, strict=True):
            self._check_length(sample, len(prompt.ids))
        return EpisodeBatch(
            prompt_ids=[prompt.ids for prompt in prompts],
            answer_ids=answers,
            pixel_values=vision['pixel_values'],
            grid_thw=vision['image_grid_thw'],
            frames=frames,
            marks={name: [prompt.marks[name] for prompt in prompts] for name in MARKS},
            query_rows=[prompt.query_rows for prompt in prompts],
            cells=torch.tensor(cells),
            targets=targets,
        )

    def _warn_resized_again(self, images: list[Any], grid_thw: Tensor) -> None:
        """Say once that the pipeline's sizes are not the processor's."""
        seen = self.family.resized_sizes(grid_thw)
        if self._warned or all(image.shape[:2] == (h, w) for image, (w, h) in zip(images, seen, strict=True)):
            return
        self._warned = True
        print_log(
            'the processor resizes images again, in the main process: set ResizeToPixelBudget.multiple to '
            "the VLM's patch size times its merge size",
            'current',
            logging.WARNING,
        )

    def _check_length(self, sample: DetDataSample, length: int) -> None:
        if length > self.max_tokens:
            raise InputError(
                f'episode {sample.img_id}: {length} tokens, over max_tokens={self.max_tokens}. '
                'Lower the pixel budget (max_pixels) or the number of shots.'
            )
