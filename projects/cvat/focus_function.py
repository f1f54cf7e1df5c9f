"""A detection function for CVAT's auto-annotation: finds remembered objects in a task's images."""

from functools import cached_property
from typing import Any

import cvat_sdk.auto_annotation as cvataa
from cvat_sdk import models
from PIL import Image

from focus_mmdet.apis import InContextInferencer
from focus_mmdet.errors import InputError
from focus_mmdet.shipped import READY


class FocusFunction:
    """Each reference is a label of its name.

    Args:
        references: Files that ``Reference.save`` wrote, with commas between.
        config: Config of the model; default: the shipped small model.
        checkpoint: Its weights; None takes the pretrained model as it is.
        device: E.g. ``'cuda:0'``.

    Raises:
        InputError: A file cannot be used, or two references have one name.
    """

    def __init__(
        self, references: str, config: str = READY, checkpoint: str | None = None, device: str | None = None
    ) -> None:
        self.find: Any = InContextInferencer(config, checkpoint, device)
        self.references = [self.find.recall(file.strip()) for file in references.split(',')]
        self.names = [reference.name for reference in self.references]
        if len(set(self.names)) < len(self.names):
            raise InputError(f'{references}: names {self.names}; give each reference one of its own')

    @cached_property
    def spec(self) -> cvataa.DetectionFunctionSpec:
        """A label for each reference."""
        labels = [cvataa.label_spec(name, index, type='rectangle') for index, name in enumerate(self.names)]
        return cvataa.DetectionFunctionSpec(labels=labels)

    def detect(
        self, context: cvataa.DetectionFunctionContext, image: Image.Image
    ) -> list[models.LabeledShapeRequest]:
        """At most one rectangle a reference, in pixels of the image, with its score."""
        found = self.find([image], self.references, pred_score_thr=context.conf_threshold or 0.0)
        return [
            cvataa.rectangle(index, list(located.box), score=located.score)
            for index, located in enumerate(found)
            if located.box is not None
        ]


create = FocusFunction
