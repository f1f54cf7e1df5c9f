"""Mean IoU of in-context localization, beside honest baselines."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from itertools import combinations
from typing import Any

import torch
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from focus_mmdet.core.boxes import paired_iou
from focus_mmdet.errors import InputError, check_choice, check_number
from focus_mmdet.evaluation.baselines import copied_box, matched_box
from focus_mmdet.evaluation.ranking import ranking_figures

Result = dict[str, Any]
#: What results may hold of which figures are the mean.
_AVERAGED = frozenset({'iou', 'choice', 'any_object@0.5', 'copy_support', 'matcher', 'random_object'})


@METRICS.register_module()
class InContextMetric(BaseMetric):
    """mIoU, accuracy at IoU thresholds, parse rate and baselines.

    One item per episode. An episode without a predicted box counts 0. Several
    predictions count by their best-scored one. Baselines, each where samples
    carry what it needs:

    - ``copy_support_mIoU``: the last support's box, carried over relative to
      the image;
    - ``fixed_box_mIoU``: the median of all true boxes, relative to the image:
      about the best that one box for all can do;
    - ``matcher_mIoU``: normalized correlation with the last support's crop,
      over scales, with no training.

    Where samples carry ``distractors``, also what was chosen: ``choice`` is
    the share of answers that overlap the target more than any other object,
    ``any_object@0.5`` of those that reach IoU 0.5 with some object, and
    ``random_object_mIoU`` what pointing at a random object would give. Of a
    query that is asked for several of its objects, ``follows`` is the share of
    ``follows_pairs`` of answers in which each overlaps its own most.

    Episodes whose query lacks the object count only here: a box is the answer
    "present", and ``presence_precision``, ``_recall`` and ``_f1`` judge it;
    ``f1@t`` asks in addition that the box reaches IoU t. ``rejection_precision``
    and ``_recall`` judge the answer "absent"; an answer that cannot be read
    is neither. ``rejection_recall/absent_kind=in_class`` and
    ``=out_of_class`` do so for queries that show another object of the class,
    and for those that show none, where the annotations tell them apart.
    Their scores rank: ``presence_auroc`` and ``presence_ap`` (average
    precision) over all episodes, and over galleries, the episodes of the same
    supports, the means ``gallery_auroc``, ``gallery_ap`` and
    ``gallery_precision@k``, beside ``gallery_chance_ap``, of scores that say
    nothing. A query's score is ``presence`` of its sample, else that of its
    box, else 0.

    Episodes that a manifest cannot hold (``info.unjudged``) count as shown and
    not answered: 0 in every figure but those of ``by``. ``unjudged`` is their
    number, and a warning names the first.

    Args:
        thresholds: IoU thresholds of the accuracies.
        matcher: Run the matcher too; it takes a few milliseconds a query. It
            needs the images: saved predictions are judged without it.
        by: Also give the mIoU and the copied support's of groups of episodes:
            by number of ``'shots'``, ``'gap'`` in frames to the nearest
            support, ``'size'`` (root of the share of the image that the object
            takes), number of ``'look_alikes'``.
        tops: How many of a gallery's best are looked at, each k of
            ``gallery_precision@k``.
    """

    default_prefix = 'in_context'

    def __init__(
        self,
        thresholds: Sequence[float] = (0.5, 0.75),
        matcher: bool = False,
        by: Sequence[str] = (),
        tops: Sequence[int] = (1, 5, 10),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name in by:
            check_choice('InContextMetric.by', name, GROUPS)
        for name, values in (('thresholds', thresholds), ('tops', tops)):
            if isinstance(values, str) or not isinstance(values, Sequence):
                raise InputError(f'InContextMetric.{name}={values!r}: give a list')
        for threshold in thresholds:
            check_number('InContextMetric.thresholds', threshold, low=0, high=1)
        for top in tops:
            check_number('InContextMetric.tops', top, low=1, whole=True)
        self.thresholds = tuple(thresholds)
        self.tops = tuple(tops)
        self.matcher = matcher
        self.by = tuple(by)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        for index, sample in enumerate(data_samples):
            images = data_batch['inputs'][index] if self.matcher and data_batch else None
            self.results.append(self._judge(sample, images))

    def _judge(self, sample: dict[str, Any], images: Sequence[Tensor] | None) -> Result:
        predicted = sample['pred_instances']
        found = len(predicted['bboxes']) > 0
        rejected = not found and 'parse_error' in sample and sample['parse_error'] is None
        result: Result = {
            'parsed': float(found or rejected),
            'found': found,
            'rejected': rejected,
            'present': False,
            'absent_kind': sample.get('absent_kind'),
            'unjudged': sample.get('unjudged', ()),
            'presence': sample.get('presence', float(predicted['scores'].max()) if found else 0.0),
            'reference': sample.get('reference'),
        }
        if not sample['instances']:
            return result
        box = predicted['bboxes'][predicted['scores'].argmax()].cpu() if found else torch.zeros(4)
        target = torch.tensor(sample['instances'][0]['bbox'], dtype=torch.float32)
        height, width = sample['ori_shape'][:2]
        relative = (target / torch.tensor([width, height] * 2)).tolist()
        result.update(present=True, iou=_iou(box, target), box=relative)
        if sample.get('supports'):
            result['copy_support'] = _iou(copied_box(sample), target)
            if images is not None:
                result['matcher'] = _iou(matched_box(images, sample), target)
        if sample.get('distractors'):
            result |= _choice(box, target, torch.tensor(sample['distractors']))
            objects = [sample['instances'][0]['bbox'], *sample['distractors']]
            result['scene'] = (sample.get('img_path'), frozenset(tuple(map(float, each)) for each in objects))
        result['groups'] = {name: GROUPS[name](sample, relative) for name in self.by}
        return result

    def compute_metrics(self, results: list[Result]) -> dict[str, float]:
        known = {name for result in results for name in result}
        failed = _failed([name for result in results for name in result['unjudged']], known & _AVERAGED)
        results = [*results, *failed]
        shown = [result for result in results if result['present']]
        figures = {'episodes': float(len(results)), 'parse_rate': _mean(results, 'parsed')}
        if failed:
            figures['unjudged'] = float(len(failed))
        if len(shown) < len(results):
            figures |= _presence(results, self.thresholds)
        if 0 < len(shown) < len(results):
            figures |= ranking_figures(
                [result['presence'] for result in results],
                [result['present'] for result in results],
                [result['reference'] for result in results],
                self.tops,
            )
        if 'iou' not in known:
            return figures
        if self.matcher and 'copy_support' in known and 'matcher' not in known:
            _warn(
                'InContextMetric: matcher_mIoU is left out, it needs images and saved predictions have none'
            )
        ious = torch.tensor([result['iou'] for result in shown])
        figures['mIoU'] = float(ious.mean())
        figures |= {f'acc@{t:g}': float((ious >= t).float().mean()) for t in self.thresholds}
        if len(ious) > 1:
            figures['mIoU_95'] = float(1.96 * ious.std() / len(ious) ** 0.5)
        figures |= {name: _mean(shown, name) for name in ('choice', 'any_object@0.5') if name in known}
        figures |= _follows(shown)
        baselines = ('copy_support', 'matcher', 'random_object')
        figures |= {f'{name}_mIoU': _mean(shown, name) for name in baselines if name in known}
        boxes = torch.tensor([result['box'] for result in shown if 'box' in result])
        fixed = paired_iou(boxes.median(0).values.expand_as(boxes), boxes)
        figures['fixed_box_mIoU'] = float(fixed.mean()) * (len(boxes) / len(shown))
        for name in self.by:
            figures |= _by_group(shown, name)
        return figures


def _failed(unjudged: Sequence[str], averaged: Collection[str]) -> list[Result]:
    """A result of zeros for each episode that the manifests cannot hold."""
    if unjudged:
        first = '\n  '.join(unjudged[:10])
        _warn(
            f'InContextMetric: {len(unjudged)} episodes cannot be judged and count 0, the first:\n  {first}'
        )
    zeros = {'parsed': 0.0, 'found': False, 'rejected': False, 'present': True, 'absent_kind': None}
    zeros |= {'presence': 0.0, 'reference': None}
    return [{**zeros, **dict.fromkeys(averaged, 0.0)} for _ in unjudged]


def _warn(message: str) -> None:
    print_log(message, 'current', logging.WARNING)


def _mean(results: Sequence[Result], name: str) -> float:
    values = [result[name] for result in results if name in result]
    return float(sum(values) / len(values))


def _iou(first: Tensor, second: Tensor) -> float:
    return float(paired_iou(first.view(1, 4), second.view(1, 4)))


def _choice(box: Tensor, target: Tensor, others: Tensor) -> dict[str, float]:
    """What an answer points at in a scene of several objects, boxes (M, 4)."""
    objects = torch.cat([target[None], others])
    overlap = paired_iou(box.expand_as(objects), objects)
    return {
        'choice': float(overlap[0] > overlap[1:].max()),
        'any_object@0.5': float(overlap.max() >= 0.5),
        'random_object': float(paired_iou(objects, target.expand_as(objects)).mean()),
    }


def _follows(results: Sequence[Result]) -> dict[str, float]:
    """Do answers in the same picture part, where they are asked for different objects of it?"""
    scenes: dict[Any, list[Result]] = defaultdict(list)
    for result in results:
        if 'scene' in result:
            scenes[result['scene']].append(result)
    pairs = [
        first['choice'] * second['choice']
        for scene in scenes.values()
        for first, second in combinations(scene, 2)
        if first['box'] != second['box']
    ]
    return {'follows': sum(pairs) / len(pairs), 'follows_pairs': float(len(pairs))} if pairs else {}


def _presence(results: Sequence[Result], thresholds: Sequence[float]) -> dict[str, float]:
    """Is the object there, and is it there where the answer says?"""
    said = sum(result['found'] for result in results)
    true = sum(result['present'] for result in results)

    def scores(right: int) -> tuple[float, float, float]:
        precision, recall = right / max(said, 1), right / max(true, 1)
        return precision, recall, 2 * right / max(said + true, 1)

    both = [result for result in results if result['found'] and result['present']]
    names = ('presence_precision', 'presence_recall', 'presence_f1')
    figures = dict(zip(names, scores(len(both)), strict=True))
    rejected = sum(result['rejected'] for result in results)
    rightly = sum(result['rejected'] and not result['present'] for result in results)
    figures['rejection_precision'] = rightly / max(rejected, 1)
    figures['rejection_recall'] = rightly / max(len(results) - true, 1)
    for kind in sorted({result['absent_kind'] for result in results} - {None}):
        absent = [result for result in results if result['absent_kind'] == kind]
        figures[f'rejection_recall/absent_kind={kind}'] = _mean(absent, 'rejected')
        figures[f'episodes/absent_kind={kind}'] = float(len(absent))
    for t in thresholds:
        figures[f'f1@{t:g}'] = scores(sum(result['iou'] >= t for result in both))[2]
    return figures


def _by_group(results: Sequence[Result], name: str) -> dict[str, float]:
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if (group := result.get('groups', {}).get(name)) is not None:
            groups[group].append(result)
    figures = {}
    for group, members in sorted(groups.items()):
        figures[f'mIoU/{name}={group}'] = _mean(members, 'iou')
        if any('copy_support' in member for member in members):
            figures[f'copy_support_mIoU/{name}={group}'] = _mean(members, 'copy_support')
        figures[f'episodes/{name}={group}'] = float(len(members))
    return figures


def _bin(value: float, edges: Sequence[float]) -> str:
    """The range that a value lies in, as text; the last one has no end."""
    place = max(place for place, edge in enumerate(edges) if value >= edge)
    return '..'.join(f'{edge:g}' for edge in edges[place : place + 2]) + '..' * (place + 1 == len(edges))


def _shots(sample: dict[str, Any], box: Sequence[float]) -> str:
    return str(len(sample.get('supports', ())))


def _gap(sample: dict[str, Any], box: Sequence[float]) -> str | None:
    gap = sample.get('gap')
    return None if gap is None else _bin(gap, (0, 10, 100, 1000))


def _size(sample: dict[str, Any], box: Sequence[float]) -> str:
    return _bin(((box[2] - box[0]) * (box[3] - box[1])) ** 0.5, (0, 0.1, 0.3, 0.6))


def _look_alikes(sample: dict[str, Any], box: Sequence[float]) -> str | None:
    alike = sample.get('look_alikes')
    return None if alike is None else str(sum(alike))


#: By name: the group of a sample, given its target's box relative to the image.
GROUPS: dict[str, Callable[[dict[str, Any], Sequence[float]], str | None]] = {
    'shots': _shots,
    'gap': _gap,
    'size': _size,
    'look_alikes': _look_alikes,
}
