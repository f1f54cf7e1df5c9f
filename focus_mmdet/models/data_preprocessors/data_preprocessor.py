"""From collated episodes to the model's device."""

import logging

from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.logging import print_log
from mmengine.model import BaseDataPreprocessor

from focus_mmdet.errors import InputError
from focus_mmdet.models.data_preprocessors.episode_encoder import EpisodeEncoder
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.vlm.families import SeenImage


@MODELS.register_module()
class EpisodeDataPreprocessor(BaseDataPreprocessor):
    """Encodes episodes that the data workers have not, and moves them.

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
    ) -> None:
        super().__init__(non_blocking=True)
        self.encoder = EpisodeEncoder(pretrained, may_be_absent)
        self.max_tokens = max_tokens
        self._warned = False

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a collated batch; one already prepared passes through.

        Args:
            data: ``inputs``, B lists of K + 1 uint8 images (3, H, W) in RGB,
                the query last; ``data_samples``, B samples whose ``supports``
                hold one box each in pixels of these images; ``encoded``, where
                the data workers ran ``encode_episodes``.
            training: Unused: ground truth is prepared wherever it exists.

        Returns:
            ``inputs``, now an :class:`EpisodeBatch`, and ``data_samples``, on
            the model's device.
        """
        if isinstance(data['inputs'], EpisodeBatch):
            return data
        samples = data['data_samples']
        batch = data.get('encoded')
        if batch is None or batch.language != self.encoder.language:
            self._warn_encoded_for_another(batch)
            batch = self.encoder(data['inputs'], samples)
        for sample, prompt in zip(samples, batch.prompt_ids, strict=True):
            self._check_length(sample, len(prompt))
        rest = {key: value for key, value in data.items() if key != 'encoded'}
        return {**rest, 'inputs': batch.to(self.device), 'data_samples': self.cast_data(samples)}

    def queries(
        self, seen: list[SeenImage], samples: list[DetDataSample], shots: int, known: int
    ) -> EpisodeBatch:
        """Queries behind supports that the model has read, on its device.

        Args:
            seen: B images, from :meth:`EpisodeEncoder.see`.
            samples: Theirs.
            shots: Supports that stand before each.
            known: Tokens of these.

        Raises:
            InputError: A prompt is longer than ``max_tokens``.
        """
        batch = self.encoder.queries(seen, shots)
        for sample, ids in zip(samples, batch.prompt_ids, strict=True):
            self._check_length(sample, known + len(ids))
        return batch.to(self.device)

    def _warn_encoded_for_another(self, batch: EpisodeBatch | None) -> None:
        """Say once that the workers' encoding is of no use."""
        if batch is None or self._warned:
            return
        self._warned = True
        print_log(
            f'the data workers encode for {batch.language}, the model is {self.encoder.language} (folder, '
            'may_be_absent): episodes are encoded again. Set collate_fn.pretrained and '
            'collate_fn.may_be_absent of the dataloaders',
            'current',
            logging.WARNING,
        )

    def _check_length(self, sample: DetDataSample, length: int) -> None:
        if length > self.max_tokens:
            raise InputError(
                f'episode {sample.img_id}: {length} tokens, over max_tokens={self.max_tokens}. '
                'Lower the pixel budget (max_pixels) or the number of shots.'
            )
