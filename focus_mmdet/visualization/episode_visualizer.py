"""One strip per episode: supports, query and what the query attends to."""

from collections.abc import Sequence
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.visualization import Visualizer
from torch import Tensor

GIVEN, TRUTH, PREDICTED = (30, 120, 255), (0, 200, 80), (230, 40, 40)
_HEIGHT = 256
_CAPTION = 22


def _panel(image: np.ndarray, boxes: Sequence[tuple[Any, tuple[int, int, int]]], caption: str) -> np.ndarray:
    """An RGB image with boxes (pixels) and a caption, ``_HEIGHT`` high."""
    scale = _HEIGHT / image.shape[0]
    panel = mmcv.imresize(image, (max(1, round(image.shape[1] * scale)), _HEIGHT))
    for box, colour in boxes:
        x1, y1, x2, y2 = (round(float(v) * scale) for v in box)
        cv2.rectangle(panel, (x1, y1), (x2, y2), colour, 2)
    bar = np.full((_CAPTION, panel.shape[1], 3), 255, np.uint8)
    cv2.putText(bar, caption, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([panel, bar])


def _heated(image: np.ndarray, attention: np.ndarray, top: float) -> np.ndarray:
    """The image under its attention map; ``top`` is the hottest value."""
    size = (image.shape[1], image.shape[0])
    heat = mmcv.imresize((255 * attention / max(top, 1e-12)).clip(0, 255).astype(np.uint8), size)
    colours = mmcv.bgr2rgb(cv2.applyColorMap(heat, cv2.COLORMAP_INFERNO))
    return (0.45 * image + 0.55 * colours).astype(np.uint8)


def _rgb(image: Tensor | np.ndarray) -> np.ndarray:
    """(3, H, W) tensor or (H, W, 3) array to a writable RGB array."""
    if isinstance(image, torch.Tensor):
        image = image.permute(1, 2, 0).cpu().numpy()
    return np.array(image, np.uint8)


def draw_episode(images: Sequence[Tensor | np.ndarray], sample: DetDataSample) -> np.ndarray:
    """The strip of one episode.

    Supports with their boxes (blue), the query with ground truth (green) and
    prediction (red); where the sample carries ``attention``, each support
    again under the attention that the query image gives it.

    Args:
        images: K + 1 RGB images, the query last, as the model got them.
        sample: With ``supports``, and ``gt_instances`` and
            ``pred_instances`` where there are any.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    *supports, query = [_rgb(image) for image in images]
    given = [support.gt_instances.bboxes[0] for support in sample.supports]
    panels = [
        _panel(image, [(box, GIVEN)], f'support {index}')
        for index, (image, box) in enumerate(zip(supports, given, strict=True), start=1)
    ]
    if (maps := sample.get('attention')) is not None:
        top = max((float(each.max()) for each in maps[:-1]), default=0.0)
        panels += [
            _panel(_heated(image, each, top), [(box, GIVEN)], f'attention {index}')
            for index, (image, each, box) in enumerate(zip(supports, maps, given, strict=False), start=1)
        ]
    panels.append(_panel(query, *_query_boxes(query, sample)))
    return np.hstack([np.pad(panel, ((0, 0), (0, 4), (0, 0)), constant_values=255) for panel in panels])


def _query_boxes(query: np.ndarray, sample: DetDataSample) -> tuple[list, str]:
    boxes = []
    if 'gt_instances' in sample:
        boxes += [(box, TRUTH) for box in sample.gt_instances.bboxes]
    caption = 'query'
    if 'pred_instances' in sample:
        # Predictions are in pixels of the original image, the query may be resized.
        height, width = sample.ori_shape[:2]
        ratio = torch.tensor([query.shape[1] / width, query.shape[0] / height] * 2)
        predicted = sample.pred_instances
        boxes += [(box.cpu() * ratio, PREDICTED) for box in predicted.bboxes]
        found = len(predicted.bboxes) > 0
        caption = f'query: score {float(predicted.scores[0]):.2f}' if found else 'query: no box'
    return boxes, caption


@VISUALIZERS.register_module()
class EpisodeVisualizer(DetLocalVisualizer):
    """MMDetection's visualizer, which also knows episodes."""

    def add_episode(
        self,
        name: str,
        images: Sequence[Tensor | np.ndarray],
        sample: DetDataSample,
        out_file: str | None = None,
        step: int = 0,
    ) -> None:
        """Draw an episode and write it to ``out_file``, or to the backends."""
        strip = draw_episode(images, sample)
        if out_file is not None:
            mmcv.imwrite(mmcv.rgb2bgr(strip), out_file)
        else:
            Visualizer.set_image(self, strip)
            self.add_image(name, strip, step)
