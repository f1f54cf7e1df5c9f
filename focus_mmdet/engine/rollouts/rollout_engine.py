"""Where sampled answers come from."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmdet.registry import TASK_UTILS
from torch import Tensor

from focus_mmdet.engine.registered import is_registered
from focus_mmdet.errors import InputError
from focus_mmdet.models.detectors.focus_detector import FocusDetector
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.vlm.generation import Generated, Sampling, sampling_noise


@dataclass(frozen=True)
class RolloutRequest:
    """B prompts to answer G times each.

    Attributes:
        batch: The prompts in the VLM's language.
        images: B lists of uint8 RGB images (3, H, W), for engines that
            prepare pixels themselves.
        num_generations: G.
        max_new_tokens: Longest answer, the stop token included.
        sampling: Distribution to draw from.
        seeds: B * G seeds, one an answer.
    """

    batch: EpisodeBatch
    images: list[list[Tensor]]
    num_generations: int
    max_new_tokens: int
    sampling: Sampling
    seeds: Sequence[int]


class RolloutEngine(ABC):
    """Samples answers from the current policy.

    No collective may be called in it, because lengths differ between ranks; the
    passes of a sharded model call some, and have an engine write in step.
    """

    @abstractmethod
    def sample(self, detector: FocusDetector, request: RolloutRequest) -> Generated:
        """B * G answers of ``detector`` as it is now, in evaluation mode."""


@TASK_UTILS.register_module()
class SharedPrefillRollout(RolloutEngine):
    """One prefill a prompt on the training model, its cache expanded to G."""

    def sample(self, detector: FocusDetector, request: RolloutRequest) -> Generated:
        options: dict[str, Any] = {
            'num_generations': request.num_generations,
            'sampling': request.sampling,
            'noise': sampling_noise(request.seeds, request.max_new_tokens),
        }
        return detector.bbox_head.generate(
            request.batch, detector.data_preprocessor.encoder, request.max_new_tokens, **options
        )


def build_rollout_engine(config: dict) -> RolloutEngine:
    """The engine of ``train_cfg.rollout``.

    Raises:
        InputError: Not the config of a registered engine.
    """
    if not isinstance(config, dict) or not is_registered(config.get('type'), RolloutEngine):
        raise InputError(
            f"train_cfg.rollout: {config!r} is no dict(type='...') of a registered RolloutEngine"
        )
    try:
        return TASK_UTILS.build(config)
    except TypeError as error:
        raise InputError(f'train_cfg.rollout: {config!r}: {error}') from error
