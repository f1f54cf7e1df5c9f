"""Find the object of some support images in other images."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose

from focus_mmdet.apis.export import load_detector
from focus_mmdet.cli import read_config
from focus_mmdet.datasets.collate import collate_episodes
from focus_mmdet.datasets.image_file import read_image
from focus_mmdet.errors import InputError
from focus_mmdet.visualization.episode_visualizer import draw_episode

Image = str | Path | np.ndarray
Support = tuple[Image, Sequence[float]]


@dataclass(frozen=True)
class Located:
    """The answer for one query image.

    Attributes:
        box: (x1, y1, x2, y2) in pixels of the original query image, clipped
            to it, or None where the model's answer holds no box in it.
        score: 0..1; of a VLM the geometric mean of the answer's token
            probabilities.
        answer: What the model wrote; empty where it writes nothing.
        picture: (H, W, 3) uint8 RGB strip of supports, query and attention.
    """

    box: tuple[float, float, float, float] | None
    score: float
    answer: str
    picture: np.ndarray


class InContextInferencer:
    """A trained detector, ready to look for things.

    Args:
        config: Config file, or a loaded config.
        checkpoint: Written by ``tools/train.py``; None takes the pretrained
            model as it is.
        device: E.g. ``'cuda:0'``; default is a GPU where there is one.

    Raises:
        InputError: The checkpoint does not fit the config, the model folder is
            missing, or the config has no ``inference_pipeline``.
    """

    def __init__(
        self, config: str | Path | Config, checkpoint: str | None = None, device: str | None = None
    ) -> None:
        self.config = config if isinstance(config, Config) else read_config(str(config))
        if 'inference_pipeline' not in self.config:
            raise InputError(
                'the config has no inference_pipeline: the transforms of one episode whose images are read, '
                'as in configs/_base_/datasets/episodes.py'
            )
        self.model: Any = load_detector(self.config, checkpoint)
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        try:
            self.model.to(device)
        except (RuntimeError, AssertionError) as error:
            raise InputError(f'device {device!r} cannot be used: {str(error).splitlines()[0]}') from error
        if self.model.with_bbox:
            self.model.bbox_head.record_attention = True
        self.pipeline = Compose(self.config.inference_pipeline)

    def __call__(self, supports: Sequence[Support], queries: Sequence[Image]) -> list[Located]:
        """One answer per query.

        Args:
            supports: At least one (image, box): a path or an RGB uint8 array
                (H, W, 3), and (x1, y1, x2, y2) in its pixels, at least one wide and high.
            queries: Paths or RGB arrays.

        Raises:
            InputError: No support, an unreadable image or a bad box.
        """
        if not supports or any(not isinstance(pair, Sequence) or len(pair) != 2 for pair in supports):
            raise InputError('supports: give at least one pair of an image and its box')
        if isinstance(queries, (str, Path, np.ndarray)):
            raise InputError('queries: give a list of images')
        known = [self._support(index, image, box) for index, (image, box) in enumerate(supports)]
        return [self._locate(known, self._frame(query, f'query {i}')) for i, query in enumerate(queries)]

    def _locate(self, supports: list[dict[str, Any]], query: dict[str, Any]) -> Located:
        record = {**query, 'img_id': 0, 'supports': [dict(support) for support in supports]}
        data = collate_episodes([self.pipeline(record)])
        with torch.no_grad():
            sample = self.model.test_step(data)[0]
        found = sample.pred_instances
        box = tuple(found.bboxes[0].tolist()) if len(found.bboxes) else None
        return Located(
            box=box,
            score=float(found.scores[0]) if box else 0.0,
            answer=sample.get('answer', ''),
            picture=draw_episode(data['inputs'][0], sample),
        )

    def _support(self, index: int, image: Image, box: Sequence[float]) -> dict[str, Any]:
        frame = self._frame(image, f'support {index}')
        bbox = _checked(box, frame['width'], frame['height'], frame['img_path'] or f'support {index}')
        frame['instances'] = [{'bbox': bbox, 'bbox_label': 0, 'ignore_flag': 0}]
        return frame

    def _frame(self, image: Image, name: str) -> dict[str, Any]:
        path = ''
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
                raise InputError(
                    f'{name}: an array must be (H, W, 3) uint8 RGB, not {image.shape} {image.dtype}'
                )
            pixels = mmcv.rgb2bgr(image)
        else:
            path = str(image)
            if not os.path.isfile(path):
                raise InputError(f'{path}: no such image')
            pixels = read_image(path)
        height, width = pixels.shape[:2]
        return {
            'img': pixels,
            'img_path': path,
            'img_shape': (height, width),
            'ori_shape': (height, width),
            'height': height,
            'width': width,
            'instances': [],
        }


def _checked(box: Sequence[float], width: int, height: int, name: str) -> list[float]:
    """(x1, y1, x2, y2) in pixels of an image of this size.

    Raises:
        InputError: It is something else.
    """
    try:
        x1, y1, x2, y2 = (float(value) for value in box)
    except (TypeError, ValueError):
        raise InputError(f'{name}: a box is four numbers x1, y1, x2, y2, not {box!r}') from None
    corners = [x1, y1, x2, y2]
    problems = {
        'holds what is no number': not all(map(math.isfinite, corners)),
        f'is empty or outside the {width} x {height} image': not (
            0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
        ),
        'looks like fractions of the image': max(corners) <= 1,
        'is less than a pixel wide or high': min(x2 - x1, y2 - y1) < 1,
    }
    for problem, found in problems.items():
        if found:
            raise InputError(f'{name}: box {tuple(corners)} {problem}; give x1, y1, x2, y2 in pixels')
    return corners
