"""What is not looked for, and may take the place of what is."""

from collections.abc import Sequence

from mmdet.structures import DetDataSample

from focus_mmdet.core.boxes import paired_iou

#: Boxes that overlap more (IoU) are one place.
_SAME_PLACE = 0.5


def give_way(sample: DetDataSample, rivals: Sequence[tuple[str, DetDataSample]]) -> None:
    """Take the box from an answer where a rival is surer to stand in that place.

    The answer then says that the object is absent, with score 0, and ``instead`` names the surest such rival.

    Args:
        sample: An answer to a query, changed in place.
        rivals: Names of what else was looked for in the same query, and the answers.
    """
    found = sample.pred_instances
    if not len(found):
        return
    surer = {
        name: float(other.pred_instances.scores[0])
        for name, other in rivals
        if len(other.pred_instances)
        and other.pred_instances.scores[0] > found.scores[0]
        and paired_iou(other.pred_instances.bboxes[:1], found.bboxes[:1]) > _SAME_PLACE
    }
    if surer:
        sample.pred_instances = found[:0]
        sample.set_metainfo({'absent': True, 'presence': 0.0, 'instead': max(surer, key=surer.__getitem__)})
