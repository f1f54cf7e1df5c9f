"""From a reference and some queries to a detector's answers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from mmdet.datasets.transforms import LoadAnnotations
from mmdet.structures import DetDataSample
from mmengine.dataset import Compose
from torch import Tensor

from focus_mmdet.apis.answers.kept_prefix import KeptPrefix
from focus_mmdet.apis.inputs.images import record_of
from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.core.feature_matching import Look
from focus_mmdet.datasets.collate import collate_episodes
from focus_mmdet.datasets.image_file import Size
from focus_mmdet.datasets.transforms import ForEachFrame, PackEpisodeInputs, ResizeToPixelBudget
from focus_mmdet.models.detectors.feature_matcher import FeatureMatcher
from focus_mmdet.models.detectors.focus_detector import FocusDetector
from focus_mmdet.models.vlm.families import SeenImage
from focus_mmdet.models.vlm.known_prefix import KnownPrefix
from focus_mmdet.visualization.episode_visualizer import draw_episode


@dataclass(frozen=True)
class Prepared:
    """A query image as a pipeline packs it: (3, H, W) uint8 RGB, its sample, and what a VLM sees of it."""

    image: Tensor
    sample: DetDataSample
    seen: SeenImage | None


@dataclass
class Asked:
    """Queries that are answered together, and their vision features once they are known."""

    queries: list[Prepared]
    features: list[Any] | None = None


@dataclass(frozen=True)
class Known:
    """Supports as a pipeline packs them, and what the detector keeps of them; None where it keeps nothing."""

    images: list[Tensor]
    samples: list[DetDataSample]
    kept: KnownPrefix | Look | None


class Answerer:
    """Asks a detector about queries, each with the supports of a reference.

    Supports are read once a reference, and a query once for all references. That is so for a VLM without
    pictures of its attention, and for ``FeatureMatcher``; other detectors read the supports with each query.

    Args:
        model: The detector.
        pipeline: The transforms of an episode whose images are read. They run on supports and on
            queries apart, so none may look at both.
    """

    def __init__(self, model: Any, pipeline: Compose) -> None:
        self.model = model
        self.pipeline = pipeline
        self._known: WeakKeyDictionary[Reference, Known] = WeakKeyDictionary()

    @cached_property
    def is_enough(self) -> Callable[[Size, Size], bool] | None:
        """Does the model see as much of a smaller copy as of an image, by their sizes? None: not known."""
        shrunk = _shrunk(self.pipeline, self.model)
        if shrunk is None:
            return None

        def is_enough(size: Size, smaller: Size) -> bool:
            seen = shrunk(*size)
            return seen == shrunk(*smaller) and seen[0] <= smaller[0] and seen[1] <= smaller[1]

        return is_enough

    def prepare(self, pixels: np.ndarray, path: str = '', size: Size | None = None) -> Prepared:
        """A query as the model takes it; may run in other threads.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            path: Of its file.
            size: (width, height) of that, where ``pixels`` are fewer, but :attr:`is_enough`.
        """
        packed = self.pipeline({**record_of(pixels, path, size), 'supports': []})
        (image,) = packed['inputs']
        if size is not None and 'scale_factor' in packed['data_samples']:
            height, width = packed['data_samples'].img_shape[:2]
            packed['data_samples'].set_metainfo({'scale_factor': (width / size[0], height / size[1])})
        seen = None
        if isinstance(self.model, FocusDetector):
            (seen,) = self.model.data_preprocessor.encoder.see([image])
        return Prepared(image, packed['data_samples'], seen)

    def know(self, reference: Reference, kept: KeptPrefix | None = None) -> Known:
        """What the model keeps of a reference, made once.

        Args:
            reference: To be looked for.
            kept: Where keys and values are kept between programs.

        Raises:
            InputError: The model cannot take its images.
        """
        if reference not in self._known:
            frames = []
            for pixels, box in zip(reference.images, reference.boxes, strict=True):
                instance = {'bbox': list(box), 'bbox_label': 0, 'ignore_flag': 0}
                frames.append({**record_of(pixels, ''), 'instances': [instance]})
            # In the query's place stands the first image: pipelines take no supports alone.
            packed = self.pipeline({**record_of(reference.images[0], ''), 'supports': frames})
            read: KnownPrefix | Look | None = None
            if isinstance(self.model, FeatureMatcher):
                images = self.model.data_preprocessor.cast_data(packed['inputs'][:-1])
                read = self.model.know_supports(images, packed['data_samples'])
            elif isinstance(self.model, FocusDetector):
                read = self._prefix(packed, kept)
            self._known[reference] = Known(packed['inputs'][:-1], packed['data_samples'].supports, read)
        return self._known[reference]

    def _prefix(self, packed: dict[str, Any], kept: KeptPrefix | None) -> KnownPrefix | None:
        """Of a VLM, from its file where there is one that fits."""
        prefix = None if kept is None else kept.read(next(self.model.parameters()).device)
        if prefix is None:
            prefix = self._read(packed)
            if kept is not None and prefix is not None:
                kept.write(prefix)
        return prefix

    @torch.no_grad()
    def _read(self, packed: dict[str, Any]) -> KnownPrefix | None:
        encoder = self.model.data_preprocessor.encoder
        behind = encoder.queries(encoder.see(packed['inputs'][-1:]), len(packed['inputs']) - 1)
        batch = self.model.data_preprocessor(collate_episodes([packed]))['inputs']
        prefix: KnownPrefix | None = self.model.bbox_head.know_supports(batch, behind.prompt_ids[0])
        return prefix

    @torch.no_grad()
    def answer(self, reference: Reference, asked: Asked, picture: bool = False) -> list[DetDataSample]:
        """Of each query its sample with ``pred_instances``, and what a ``picture`` shows of its attention."""
        known = self.know(reference)
        samples = []
        for query in asked.queries:
            sample = query.sample.clone()
            sample.supports = known.samples
            samples.append(sample)
        if self.model.with_bbox:
            self.model.bbox_head.record_attention = picture
        if isinstance(known.kept, Look):
            return self._matched(known.kept, asked, samples)
        if known.kept is not None and not picture:
            return self._behind(known, known.kept, asked, samples)
        data = collate_episodes(
            [
                {'inputs': [*known.images, query.image], 'data_samples': sample}
                for query, sample in zip(asked.queries, samples, strict=True)
            ]
        )
        answers: list[DetDataSample] = self.model.test_step(data)
        return answers

    def draw(self, reference: Reference, query: Prepared, sample: DetDataSample) -> np.ndarray:
        """(H, W, 3) uint8 RGB strip of the supports, a query and its answer."""
        return draw_episode([*self.know(reference).images, query.image], sample)

    def _matched(self, look: Look, asked: Asked, samples: list[DetDataSample]) -> list[DetDataSample]:
        """Answers of a matcher that knows how the object looks."""
        if asked.features is None:
            images = self.model.data_preprocessor.cast_data([[query.image] for query in asked.queries])
            asked.features = [seen[0] for seen in self.model.extract_feat(images)]
        found = [
            self.model.find(look, features, sample)
            for features, sample in zip(asked.features, samples, strict=True)
        ]
        answers: list[DetDataSample] = self.model.add_pred_to_datasample(samples, found)
        return answers

    def _behind(
        self, known: Known, prefix: KnownPrefix, asked: Asked, samples: list[DetDataSample]
    ) -> list[DetDataSample]:
        """Answers where the supports are read already."""
        speech, head = self.model.data_preprocessor, self.model.bbox_head
        seen = [query.seen for query in asked.queries if query.seen is not None]
        batch = speech.queries(seen, samples, len(known.images), prefix.length)
        if asked.features is None:
            asked.features = head.vlm.image_features(batch)
        batch.features = asked.features
        found = head.predict(batch, samples, speech.encoder, prefix)
        answers: list[DetDataSample] = self.model.add_pred_to_datasample(samples, found)
        return answers


def _shrunk(pipeline: Compose, model: Any) -> Callable[[int, int], Size] | None:
    """What becomes of an image's width and height; None where that is not known, or all of it is used."""
    first, *rest = pipeline.transforms
    steps = first.transforms.transforms if isinstance(first, ForEachFrame) else [first]
    changing = [step for step in steps if not isinstance(step, LoadAnnotations)]
    if [type(step) for step in rest] != [PackEpisodeInputs]:
        return None
    if [type(step) for step in changing] == [ResizeToPixelBudget]:
        return changing[0].size
    if not changing and isinstance(model, FeatureMatcher):
        return lambda *_: (model.size, model.size)
    if not changing and isinstance(model, FocusDetector):
        encoder = model.data_preprocessor.encoder
        resized = encoder.family.resized(encoder.processor.image_processor)
        return None if resized is None else lambda *_: resized
    return None
