"""Pipeline steps for episodes.

A record is the query's image record with ``supports``, a list of records of
the same kind, beside it. :class:`ForEachFrame` runs any MMDetection transform
on all of them.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any

import mmcv
import numpy as np
import torch
from mmcv.transforms import BaseTransform, Compose
from mmdet.datasets.transforms import Resize
from mmdet.registry import TRANSFORMS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from PIL import Image
from torch import Tensor

from focus_mmdet.datasets.drawn.scenes import (
    PLAIN_COLOURS,
    compose_scene,
    hue_shifted,
    recoloured,
    silhouette,
)
from focus_mmdet.datasets.image_file import read_image
from focus_mmdet.errors import InputError, check_number

#: The limit of the VLM's own image processor.
MAX_ASPECT = 200


@TRANSFORMS.register_module()
class ForEachFrame(BaseTransform):
    """Run image transforms on every support and on the query.

    Args:
        transforms: Configs of MMDetection transforms for single images.

    Raises:
        InputError: The record is a single image, not an episode.
    """

    def __init__(self, transforms: Sequence[dict[str, Any]]) -> None:
        self.transforms = Compose([TRANSFORMS.build(step) for step in transforms])

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if 'supports' not in results:
            raise InputError(
                f'{results.get("img_path") or "an image"}: comes without supports, but this pipeline takes '
                'episodes. Use EpisodeDataset, or focus_mmdet.apis.InContextInferencer for single images'
            )
        query = {key: value for key, value in results.items() if key != 'supports'}
        frames = [self.transforms(copy.copy(frame)) for frame in [*results['supports'], query]]
        return {**frames[-1], 'supports': frames[:-1]}


@TRANSFORMS.register_module()
class LoadFrame(BaseTransform):
    """Load an image, turned as :func:`image_size` counts it, and hold it against its record.

    Raises:
        UnreadableImageError: The file cannot be read.
        InputError: It has another size than its record says (its box would be
            wrong).
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        path = results['img_path']
        image = read_image(path)
        shape = height, width = image.shape[:2]
        if (width, height) != (results['width'], results['height']):
            raise InputError(
                f'{path}: the image is {width} x {height}, but its record says '
                f'{results["width"]} x {results["height"]}. Correct the annotation file'
            )
        return {**results, 'img': image, 'img_shape': shape, 'ori_shape': shape}


@TRANSFORMS.register_module()
class CropAroundBox(BaseTransform):
    """Replace an image by a random crop that holds its whole box.

    The crop becomes the image: its record, size and box follow exactly. It is
    derived from the seed and the episode, so a test set stays the same.

    Args:
        scale: Range of the crop's sides, as a multiple of the box's.
        seed: Changes every crop.
    """

    def __init__(self, scale: tuple[float, float] = (1.5, 3.5), seed: int = 0) -> None:
        check_number('CropAroundBox.scale[0]', scale[0], low=1)
        check_number('CropAroundBox.scale[1]', scale[1], low=scale[0])
        self.scale = scale
        self.seed = seed

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, results['img_id'], results['frame_index']])
        height, width = results['img'].shape[:2]
        x1, y1, x2, y2 = self._centre(rng, results)
        left, right = self._span(rng, x1, x2, width)
        top, bottom = self._span(rng, y1, y2, height)
        image = np.ascontiguousarray(results['img'][top:bottom, left:right])
        shape = image.shape[:2]
        cropped = {
            **results,
            'img': image,
            'img_shape': shape,
            'ori_shape': shape,
            'height': shape[0],
            'width': shape[1],
            'instances': [
                {**instance, 'bbox': _moved(instance['bbox'], left, top)} for instance in results['instances']
            ],
        }
        if 'distractors' in results:
            seen = [
                (moved, alike)
                for box, alike in zip(results['distractors'], results['look_alikes'], strict=True)
                if (moved := _clipped(_moved(box, left, top), shape)) is not None
            ]
            cropped.update(distractors=[box for box, _ in seen], look_alikes=[alike for _, alike in seen])
        return cropped

    @staticmethod
    def _centre(rng: np.random.Generator, results: dict[str, Any]) -> Sequence[float]:
        """The box to crop round; where the image lacks the object, one of
        another object, so that the crop itself tells nothing."""
        boxes = [instance['bbox'] for instance in results['instances']] or results.get('distractors', [])
        if boxes:
            return boxes[int(rng.integers(len(boxes)))]
        height, width = results['img'].shape[:2]
        w, h = rng.uniform(0.2, 0.6, 2) * (width, height)
        x, y = rng.uniform(0, (width - w, height - h))
        return [x, y, x + w, y + h]

    def _span(self, rng: np.random.Generator, low: float, high: float, limit: int) -> tuple[int, int]:
        """A range of whole pixels in 0..limit round [low, high]."""
        inner, outer = math.floor(low), math.ceil(high)
        length = min(limit, max(outer - inner, round((high - low) * rng.uniform(*self.scale))))
        start = int(rng.integers(max(0, outer - length), min(inner, limit - length) + 1))
        return start, start + length


def _moved(box: Sequence[float], left: float, top: float) -> list[float]:
    return [box[0] - left, box[1] - top, box[2] - left, box[3] - top]


def _clipped(box: Sequence[float], shape: tuple[int, int]) -> list[float] | None:
    """A box inside an image of (height, width); None where it lies outside."""
    x1, y1, x2, y2 = max(box[0], 0), max(box[1], 0), min(box[2], shape[1]), min(box[3], shape[0])
    return [x1, y1, x2, y2] if x2 > x1 and y2 > y1 else None


def budget_size(width: int, height: int, max_pixels: int, multiple: int) -> tuple[int, int]:
    """Size within a pixel budget, sides rounded to a multiple.

    Args:
        width: Of the image in pixels.
        height: Of the image in pixels.
        max_pixels: Larger images shrink to at most this area.
        multiple: Patch size times merge size of the VLM.
    """
    shrink = min(1.0, math.sqrt(max_pixels / (width * height)))
    fit = math.floor if shrink < 1.0 else round
    return tuple(max(multiple, fit(side * shrink / multiple) * multiple) for side in (width, height))  # type: ignore[return-value]


@TRANSFORMS.register_module()
class ResizeToPixelBudget(BaseTransform):
    """Shrink an image above a pixel budget, as the paper does.

    Done here, in the data workers; the VLM's processor then finds nothing to
    resize.

    Args:
        max_pixels: The budget; the paper's is 0.3 * 1280 * 720.
        multiple: Patch size times merge size of the VLM; 1 where its processor makes tiles or squares.

    Raises:
        InputError: The image is too narrow for a VLM, before or after its sides are rounded.
    """

    def __init__(self, max_pixels: int, multiple: int) -> None:
        check_number('ResizeToPixelBudget.multiple', multiple, low=1, whole=True)
        check_number('ResizeToPixelBudget.max_pixels', max_pixels, low=multiple**2, whole=True)
        self.max_pixels = max_pixels
        self.multiple = multiple

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) to which an image is resized."""
        return budget_size(width, height, self.max_pixels, self.multiple)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        height, width = results['img'].shape[:2]
        size = self.size(width, height)
        if any(max(sides) > MAX_ASPECT * min(sides) for sides in ((width, height), size)):
            name = results.get('img_path') or 'an image'
            raise InputError(
                f'{name}: {width} x {height}, in whole patches {size[0]} x {size[1]}, is too narrow: '
                f'VLMs take up to {MAX_ASPECT} : 1. Crop it'
            )
        resized: dict[str, Any] = Resize(scale=size, keep_ratio=False).transform(results)
        return resized


@TRANSFORMS.register_module()
class RenderSpriteEpisode(BaseTransform):
    """Draw the scenes of a :class:`SpriteEpisodeDataset` record."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        scene = results['scene']
        objects = self._objects(results)
        frames = []
        for index in range(scene['shots'] + 1):
            # From 1: NumPy takes a trailing 0 for none, and the drawings' stream is that.
            rng = np.random.default_rng([*results['entropy'], index + 1])
            absent = results['negative'] and index == scene['shots']
            shown = [
                drawing for place, drawing in enumerate(objects) if not absent or place != results['target']
            ]
            image, boxes = compose_scene(rng, shown, scene['size'], scene['scale'])
            frames.append(self._record(results, index, image, boxes, absent))
        return {**frames[-1], 'supports': frames[:-1]}

    def _objects(self, results: dict[str, Any]) -> list[Image.Image]:
        """The drawings of an episode, the same in all of its scenes."""
        scene = results['scene']
        rng = np.random.default_rng(results['entropy'])
        first, *others = [self._read(path) for path in results['sprites']]
        alike = [hue_shifted(first, rng.uniform(0.25, 0.75)) for _ in range(scene['look_alikes'])]
        same = [recoloured(other, first) for other in others[: scene['same_colours']]]
        objects = [first, *alike, *same, *others[scene['same_colours'] :]]
        return self._silhouettes(rng, objects, len(alike), len(same)) if results['plain'] else objects

    def _silhouettes(
        self, rng: np.random.Generator, objects: Sequence[Image.Image], alike: int, same: int
    ) -> list[Image.Image]:
        order = rng.permutation(len(PLAIN_COLOURS))
        places = [0, *range(1, alike + 1), *[0] * same, *range(alike + 1, len(objects) - same)]
        return [
            silhouette(drawing, PLAIN_COLOURS[order[place]])
            for drawing, place in zip(objects, places, strict=True)
        ]

    def _read(self, path: str) -> Image.Image:
        try:
            return Image.open(path).convert('RGBA')
        except OSError as error:
            raise InputError(f'{path}: cannot be read as a sprite ({error}). Replace or remove it') from error

    def _record(
        self,
        results: dict[str, Any],
        index: int,
        image: np.ndarray,
        boxes: Sequence[Sequence[int]],
        absent: bool,
    ) -> dict[str, Any]:
        shape = image.shape[:2]
        scene = results['scene']
        others = [[float(value) for value in box] for box in boxes]
        target, kinds = results['target'], _kinds(scene)
        drawing, colours = kinds.pop(target)
        alike = [kind[0] == drawing or kind[1] == colours for kind in kinds]
        shown = [] if absent else [{'bbox': others.pop(target), 'bbox_label': 0, 'ignore_flag': 0}]
        return {
            'img_id': results['img_id'],
            'frame_index': index,
            'img_path': results['sprites'][0],
            'img': mmcv.rgb2bgr(image),
            'img_shape': shape,
            'ori_shape': shape,
            'height': shape[0],
            'width': shape[1],
            'instances': shown,
            'distractors': others,
            'look_alikes': alike,
        }


def _kinds(scene: dict[str, Any]) -> list[tuple[int, int]]:
    """(drawing, colours) of each object: what shares one of them are look-alikes."""
    alike, same = scene['look_alikes'], scene['same_colours']
    return [
        (0 if place <= alike else place, 0 if alike < place <= alike + same else place)
        for place in range(scene['objects'])
    ]


@TRANSFORMS.register_module()
class PackEpisodeInputs(BaseTransform):
    """Episode record to model input.

    ``inputs`` becomes the list of K + 1 RGB uint8 images (3, H, W), the query
    last; ``data_samples`` the query's ``DetDataSample`` with ``gt_instances``
    (empty where the query lacks the object) and ``supports``, samples of the
    same kind. ``distractors`` are the boxes of other objects in a frame, in
    pixels of the original image, where known, ``look_alikes`` says which of
    them are of the target's class, ``gap`` how many frames lie between the
    nearest support and the query, ``absent_kind`` what a query without the
    object shows instead (None where that is not known), and ``reference`` is
    the same for episodes of the same supports. ``unjudged`` names
    what a manifest cannot hold; its first episode alone has it.
    """

    meta_keys = (
        'img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances', 'distractors',
        'look_alikes', 'gap', 'absent_kind', 'reference', 'unjudged',
    )  # fmt: skip

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        sample = self._sample(results)
        sample.supports = [self._sample(frame) for frame in results['supports']]
        images = [self._image(frame) for frame in [*results['supports'], results]]
        return {'inputs': images, 'data_samples': sample}

    def _image(self, frame: dict[str, Any]) -> Tensor:
        rgb = mmcv.bgr2rgb(frame['img'])
        return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))

    def _sample(self, frame: dict[str, Any]) -> DetDataSample:
        boxes = frame['gt_bboxes']
        sample = DetDataSample(metainfo={key: frame[key] for key in self.meta_keys if key in frame})
        sample.gt_instances = InstanceData(
            bboxes=torch.as_tensor(getattr(boxes, 'tensor', boxes)).float(),
            labels=torch.as_tensor(frame['gt_bboxes_labels']),
        )
        return sample
