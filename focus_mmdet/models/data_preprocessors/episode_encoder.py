"""Episodes to a VLM's input: chat template, tokens, pixel values, marks."""

import logging
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.logging import print_log
from mmengine.registry import FUNCTIONS
from torch import Tensor

from focus_mmdet.core.prompt import Answer, parse_answer
from focus_mmdet.datasets.collate import episode_lists
from focus_mmdet.datasets.parcel import to_main_process
from focus_mmdet.errors import InputError
from focus_mmdet.models.data_preprocessors.prompt_encoder import MARKS, EncodedAnswer, PromptEncoder
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.vlm.families import SeenImage
from focus_mmdet.models.vlm.grammar import AnswerGrammar
from focus_mmdet.models.vlm.model_folder import model_folder
from focus_mmdet.models.vlm.processor import load_processor
from focus_mmdet.models.vlm.vlm import load_family


class EpisodeEncoder:
    """Writes episodes in the language of one VLM.

    Args:
        pretrained: VLM folder.
        may_be_absent: Queries may lack the object; the prompt says so, and
            ``<answer>none</answer>`` is a right answer.
    """

    def __init__(self, pretrained: str, may_be_absent: bool = False) -> None:
        pretrained = model_folder(pretrained)
        self.language = (pretrained, may_be_absent)
        self.may_be_absent = may_be_absent
        self.family = load_family(pretrained)
        self.processor = load_processor(pretrained, self.family)
        self.tokenizer = self.processor.tokenizer
        self.prompts = PromptEncoder(self.family, self.processor, may_be_absent)
        self._warned = False

    @property
    def stop_id(self) -> int:
        """The token that ends an answer.

        Raises:
            InputError: The tokenizer has no such token.
        """
        stop = self.tokenizer.convert_tokens_to_ids(self.family.stop_token)
        if stop is None or stop == self.tokenizer.unk_token_id:
            raise InputError(
                f'{self.language[0]}: its tokenizer has no {self.family.stop_token}, which ends an answer of '
                f'{type(self.family).__name__}'
            )
        return int(stop)

    @property
    def forbidden_ids(self) -> list[int]:
        """Ids an answer must never hold: structural ones except the stop token.

        Numbers are none, also where a tokenizer has them as added tokens.
        """
        added = self.tokenizer.added_tokens_decoder
        special = set(self.tokenizer.all_special_ids)
        special |= {index for index, token in added.items() if not token.content.isdigit()}
        vocabulary = int(self.family.config.get_text_config().vocab_size)
        return sorted(special - {self.stop_id}) + list(range(len(self.tokenizer), vocabulary))

    def decode(self, ids: Tensor) -> str:
        """Answer ids to text, without special tokens."""
        return str(self.tokenizer.decode(ids.tolist(), skip_special_tokens=True))

    def read(self, text: str, cells: Sequence[int] | None = None) -> Answer:
        """What an answer says; see :func:`focus_mmdet.core.prompt.parse_answer`."""
        return parse_answer(text, self.may_be_absent, cells)

    def see(self, images: list[Tensor]) -> list[SeenImage]:
        """Images, uint8 (3, H, W) in RGB, as the VLM is given them."""
        arrays = [image.permute(1, 2, 0).cpu().numpy() for image in images]
        return self.family.see(arrays, self.processor.image_processor)

    def __call__(self, images: list[list[Tensor]], samples: list[DetDataSample]) -> EpisodeBatch:
        """Encode B episodes.

        Args:
            images: B lists of K + 1 uint8 images (3, H, W) in RGB, the query
                last.
            samples: B samples whose ``supports`` hold one box each in pixels
                of these images.

        Raises:
            InputError: The images were collated across episodes.
        """
        if len(images) != len(samples):
            raise InputError(
                'the dataloader mixed frames of different episodes: set '
                "collate_fn=dict(type='collate_episodes')"
            )
        flat = [image for episode in images for image in episode]
        seen = self.see(flat)
        self._warn_resized_again(flat, seen)
        frames = [len(episode) for episode in images]
        each = [seen[stop - count : stop] for count, stop in zip(frames, accumulate(frames), strict=True)]
        prompts = [self.prompts.prompt(*pair) for pair in zip(samples, each, strict=True)]
        cells = [episode[-1].cells for episode in each]
        answers = self._answers(samples, cells)
        return EpisodeBatch(
            prompt_ids=[prompt.ids for prompt in prompts],
            answer_ids=None if answers is None else [answer.ids for answer in answers],
            openings=None if answers is None else [answer.opening for answer in answers],
            vision=[image.tensors for image in seen],
            places=[image.places for image in seen],
            frames=frames,
            marks={name: [prompt.marks[name] for prompt in prompts] for name in MARKS},
            query_rows=[prompt.query_rows for prompt in prompts],
            image_spans=[prompt.image_spans for prompt in prompts],
            box_ends=[prompt.box_ends for prompt in prompts],
            regions=[prompt.regions for prompt in prompts],
            support_boxes=[prompt.support_boxes for prompt in prompts],
            edges=[prompt.edges for prompt in prompts],
            coordinates=None if answers is None else [answer.coordinates for answer in answers],
            cells=torch.tensor(cells),
            targets=None if answers is None else torch.stack([answer.target for answer in answers]),
            language=self.language,
        )

    def queries(self, seen: list[SeenImage], shots: int) -> EpisodeBatch:
        """Encode B queries as what follows their supports, which the model has read.

        Args:
            seen: B images, from :meth:`see`.
            shots: Supports that stand before each.
        """
        count = len(seen)
        ids = [self.prompts.behind_supports(image, shots) for image in seen]
        tokens = [self.family.image_mask(each).nonzero()[:, 0].tolist() for each in ids]
        spans = [(each[0], each[-1] + 1) for each in tokens]
        return EpisodeBatch(
            prompt_ids=ids,
            answer_ids=None,
            openings=None,
            vision=[image.tensors for image in seen],
            places=[image.places for image in seen],
            frames=[1] * count,
            marks={},
            query_rows=spans,
            image_spans=[[span] for span in spans],
            box_ends=[[]] * count,
            regions=[[]] * count,
            support_boxes=[[]] * count,
            edges=[[]] * count,
            coordinates=None,
            cells=torch.tensor([image.cells for image in seen]),
            targets=None,
            language=self.language,
        )

    def grammar(self) -> AnswerGrammar:
        """What answers may look like.

        Raises:
            InputError: The tokenizer cannot write one.
        """
        vocabulary = int(self.family.config.get_text_config().vocab_size)
        return AnswerGrammar.build(
            self.tokenizer,
            self.may_be_absent,
            self.family.largest_coordinate,
            self.stop_id,
            self.forbidden_ids,
            vocabulary,
        )

    def _answers(
        self, samples: list[DetDataSample], cells: list[tuple[int, int]]
    ) -> list[EncodedAnswer] | None:
        """True answers; None unless all are known."""
        counts = {len(sample.gt_instances) if 'gt_instances' in sample else None for sample in samples}
        if not counts <= ({0, 1} if self.may_be_absent else {1}):
            return None
        return [
            self.prompts.answer(sample, cell, self.stop_id)
            for sample, cell in zip(samples, cells, strict=True)
        ]

    def _warn_resized_again(self, images: list[Tensor], seen: list[SeenImage]) -> None:
        """Say once that the pipeline's sizes are not the processor's."""
        sizes = [image.size for image in seen]
        if self._warned or all(
            size is None or image.shape[:0:-1] == size for image, size in zip(images, sizes, strict=True)
        ):
            return
        self._warned = True
        print_log(
            "the VLM's processor resizes images again: set ResizeToPixelBudget.multiple to its patch size "
            'times its merge size',
            'current',
            logging.WARNING,
        )


@lru_cache(maxsize=2)
def _encoder(pretrained: str, may_be_absent: bool) -> EpisodeEncoder:
    return EpisodeEncoder(pretrained, may_be_absent)


@FUNCTIONS.register_module()
def encode_episodes(batch: list[dict[str, Any]], pretrained: str, may_be_absent: bool = False) -> Any:
    """As ``collate_episodes``, and encode them here, in the data workers.

    Args:
        batch: Items of an episode dataset.
        pretrained: The model's ``pretrained``. A model of another folder
            encodes once more itself.
        may_be_absent: As of ``model.data_preprocessor``.
    """
    data = episode_lists(batch)
    data['encoded'] = _encoder(pretrained, may_be_absent)(data['inputs'], data['data_samples'])
    return to_main_process(data)
