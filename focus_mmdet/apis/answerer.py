"""From a reference and some queries to a detector's answers."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.dataset import Compose

from focus_mmdet.apis.images import record_of
from focus_mmdet.apis.reference import Reference
from focus_mmdet.datasets.collate import collate_episodes
from focus_mmdet.visualization.episode_visualizer import draw_episode

#: ``inputs`` and ``data_samples`` of an episode, as a pipeline packs them.
Packed = dict[str, Any]


class Answered(NamedTuple):
    """A query's sample with ``pred_instances``, and its strip where a picture was asked for."""

    sample: DetDataSample
    picture: np.ndarray | None


class Answerer:
    """Asks a detector about queries, each with the supports of a reference.

    Args:
        model: The detector.
        pipeline: Configs of the transforms of an episode whose images are read. They run on supports and on
            queries apart, so none may look at both.
    """

    def __init__(self, model: Any, pipeline: Sequence[dict[str, Any]]) -> None:
        self.model = model
        self.pipeline = Compose(pipeline)
        self._supports: WeakKeyDictionary[Reference, Packed] = WeakKeyDictionary()

    def prepare(self, pixels: np.ndarray, path: str = '') -> Packed:
        """An RGB query image (H, W, 3) as the model takes it; may run in other threads."""
        packed: Packed = self.pipeline({**record_of(pixels, path), 'supports': []})
        return packed

    def supports(self, reference: Reference) -> Packed:
        """The images and boxes of a reference as the model takes them, made once."""
        if reference not in self._supports:
            frames = []
            for pixels, box in zip(reference.images, reference.boxes, strict=True):
                instance = {'bbox': list(box), 'bbox_label': 0, 'ignore_flag': 0}
                frames.append({**record_of(pixels, ''), 'instances': [instance]})
            # In the query's place stands the first image: pipelines take no supports alone.
            packed = self.pipeline({**record_of(reference.images[0], ''), 'supports': frames})
            self._supports[reference] = packed
        return self._supports[reference]

    @torch.no_grad()
    def answer(self, reference: Reference, queries: Sequence[Packed], picture: bool) -> list[Answered]:
        """What the model says of each query, and the strip of each where a ``picture`` is asked for."""
        known = self.supports(reference)
        episodes = []
        for query in queries:
            sample = query['data_samples'].clone()
            sample.supports = known['data_samples'].supports
            inputs = [*known['inputs'][:-1], query['inputs'][-1]]
            episodes.append({'inputs': inputs, 'data_samples': sample})
        data = collate_episodes(episodes)
        if self.model.with_bbox:
            self.model.bbox_head.record_attention = picture
        images = list(data['inputs'])
        samples = self.model.test_step(data)
        return [
            Answered(sample, draw_episode(each, sample) if picture else None)
            for each, sample in zip(images, samples, strict=True)
        ]
