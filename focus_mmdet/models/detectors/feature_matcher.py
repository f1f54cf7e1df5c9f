"""A detector that nothing is trained for: match the features of a vision backbone."""

from collections.abc import Iterator
from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn.functional import interpolate

from focus_mmdet.core.feature_matching import Look, map_look, region_box
from focus_mmdet.errors import InputError, check_number, check_pair
from focus_mmdet.models.backbones.vision_backbone import VisionBackbone


@MODELS.register_module()
class FeatureMatcher(BaseDetector):
    """In-context localization without training: the opponent of whatever is trained.

    Every place of the query is asked how much more it looks like the inside of
    the supports' boxes than like their outside; the region round the best
    place is boxed (:mod:`focus_mmdet.core.feature_matching`). It always
    answers with a box. The score is the mean of the best place's contrast and of how much of the object is
    found again (:meth:`Look.likeness`), in 0..1, calibrated.

    ``size``, ``threshold`` and the backbone's ``level`` are chosen on
    validation episodes by ``tools/analysis_tools/tune_feature_matcher.py``.

    Args:
        backbone: Config of :class:`VisionBackbone`.
        size: Pixels. Every image is resized to a square of this side.
        threshold: What belongs to the region, as a share of the highest contrast in the query; 0..1.
        score_calibration: Scale and offset of the scores' logits, as ``ScoreCalibration`` fits them by
            ``tools/analysis_tools/calibrate_scores.py``; (1, 0) leaves scores as they are.
        data_preprocessor: Stays empty; MMEngine's moves the batch.

    Raises:
        InputError: A value is out of range, or the backbone cannot be loaded.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        size: int = 256,
        threshold: float = 0.4,
        score_calibration: tuple[float, float] = (1.0, 0.0),
        data_preprocessor: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        check_number('model.size', size, low=32, whole=True)
        check_number('model.threshold', threshold, low=0, high=1)
        check_pair('model.score_calibration', score_calibration)
        check_number('model.score_calibration: scale', score_calibration[0], low=1e-6)
        check_number('model.score_calibration: offset', score_calibration[1])
        self.size = size
        self.threshold = threshold
        self.score_calibration = tuple(score_calibration)
        self.backbone: VisionBackbone = MODELS.build({'type': VisionBackbone, **backbone})

    def init_weights(self) -> None:
        """Keep the weights as published."""

    def loss(self, batch_inputs: Any, batch_data_samples: Any) -> Any:
        raise InputError('FeatureMatcher: there is nothing to train; test it with tools/test.py CONFIG none')

    @torch.no_grad()
    def extract_feat(self, batch_inputs: list[list[Tensor]]) -> list[Tensor]:
        """Per episode, (K + 1, C, h, w) features of its images, the query last."""
        # Episode by episode: of a whole batch, a CPU would mostly move memory.
        return [self._features(images) for images in batch_inputs]

    @torch.no_grad()
    def know_supports(self, images: list[Tensor], sample: DetDataSample) -> Look:
        """How an object looks, once for all queries that :meth:`find` is asked about.

        Args:
            images: K supports, (3, H, W) uint8 RGB.
            sample: Of an episode with these ``supports``.
        """
        return map_look(self._features(images), _relative_boxes(images, sample))

    def find(self, look: Look, query: Tensor, sample: DetDataSample) -> InstanceData:
        """The box of an object, in pixels of the original query, with its score.

        Args:
            look: Of the object.
            query: (C, h, w) features, as of :meth:`extract_feat`.
            sample: Of the query.
        """
        places = query.flatten(1).T
        contrast = look.contrasts(places)
        box = region_box(contrast.view(query.shape[1:]), self.threshold)
        height, width = sample.ori_shape[:2]
        return InstanceData(
            bboxes=(box * box.new_tensor([width, height, width, height]))[None],
            scores=self._score(contrast, look.likeness(places))[None],
            labels=torch.zeros(1, dtype=torch.long, device=box.device),
        )

    def _features(self, images: list[Tensor]) -> Tensor:
        """(N, C, h, w) of N images."""
        features: Tensor = self.backbone(torch.cat([self._square(image) for image in images]))
        return features

    def _square(self, image: Tensor) -> Tensor:
        """(1, 3, S, S) uint8 of a (3, H, W) image."""
        size = (self.size, self.size)
        return interpolate(image[None].float(), size, mode='bilinear', antialias=True).round().byte()

    def _forward(
        self, batch_inputs: list[list[Tensor]], batch_data_samples: list[DetDataSample]
    ) -> list[Tensor]:
        """Per episode, (h, w) contrasts of the query in -2..2."""
        return [
            look.contrasts(query.flatten(1).T).view(query.shape[1:])
            for look, query in self._seen(batch_inputs, batch_data_samples)
        ]

    def _seen(
        self, images: list[list[Tensor]], samples: list[DetDataSample]
    ) -> Iterator[tuple[Look, Tensor]]:
        """Per episode, how its object looks, and (C, h, w) features of its query."""
        _check_episodes(images, samples)
        boxes = [_relative_boxes(*pair) for pair in zip(images, samples, strict=True)]
        for features, held in zip(self.extract_feat(images), boxes, strict=True):
            yield map_look(features[:-1], held), features[-1]

    def predict(self, batch_inputs: list[list[Tensor]], batch_data_samples: list[DetDataSample]) -> Any:
        """Samples with ``pred_instances``: one box, in pixels of the original query."""
        seen = self._seen(batch_inputs, batch_data_samples)
        results = [
            self.find(look, query, sample)
            for sample, (look, query) in zip(batch_data_samples, seen, strict=True)
        ]
        return self.add_pred_to_datasample(batch_data_samples, results)

    def _score(self, contrast: Tensor, likeness: Tensor) -> Tensor:
        """() in 0..1, of (N,) contrasts and () how much is found again."""
        scale, offset = self.score_calibration
        evidence = (contrast.max() + likeness) / 2
        return (scale * evidence.clamp(0, 1).logit(1e-6) + offset).sigmoid()

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *args: Any) -> None:
        source = local_metadata.get('filename', 'the checkpoint')
        raise InputError(
            f"{source}: FeatureMatcher has nothing trained to load; give 'none' for a checkpoint"
        )


def _check_episodes(images: list[list[Tensor]], samples: list[DetDataSample]) -> None:
    """Raise :class:`InputError` for what are no episodes with supports."""
    if len(images) != len(samples):
        raise InputError(
            "the dataloader mixed frames of different episodes: set collate_fn=dict(type='collate_episodes')"
        )
    for sample in samples:
        if not sample.get('supports'):
            raise InputError(
                f'episode {sample.img_id}: FeatureMatcher needs a support; set shots to 1 or more'
            )


def _relative_boxes(images: list[Tensor], sample: DetDataSample) -> list[Tensor]:
    """Per support, (4,) its box in 0..1 of the image."""
    boxes = []
    for image, support in zip(images, sample.supports, strict=False):
        height, width = image.shape[-2:]
        box = support.gt_instances.bboxes[0].to(image.device)
        boxes.append(box / box.new_tensor([width, height, width, height]))
    return boxes
