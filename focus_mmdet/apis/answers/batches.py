"""Queries that are asked about together, and what is found in them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np
from mmdet.structures import DetDataSample

from focus_mmdet.apis.answers.answerer import Answerer, Asked, Prepared
from focus_mmdet.apis.answers.rivals import give_way
from focus_mmdet.apis.answers.zoom import CloserLook
from focus_mmdet.apis.inputs.queries import Query
from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.errors import InputError
from focus_mmdet.results.located import Located

#: Pixels of a query's shorter side: in fewer there is nothing to be found.
_SMALLEST = 8

#: What reads and answers queries.
Looks = Answerer | CloserLook
#: Is told of a query that cannot be answered, and why.
LeaveOut = Callable[[Query, InputError], None]


@dataclass(frozen=True, eq=False)
class Found:
    """What a model says of one query about one reference.

    Attributes:
        query: Where.
        seen: The same as the model takes it.
        reference: What.
        sample: With ``pred_instances`` in pixels of the query.
        is_to_be_drawn: A picture was asked for.
    """

    query: Query
    seen: Prepared
    reference: Reference
    sample: DetDataSample
    is_to_be_drawn: bool

    def located(self, threshold: float, picture: np.ndarray | None) -> Located:
        """As one answer; ``sample`` loses boxes with a score below the threshold, too."""
        sample = self.sample
        scores = sample.pred_instances.scores
        score = sample.get('presence', float(scores[0]) if len(scores) else 0.0)
        sample.pred_instances = sample.pred_instances[scores >= threshold]
        boxes = sample.pred_instances.bboxes.tolist()
        height, width = sample.ori_shape[:2]
        return Located(
            query=self.query.name,
            frame=self.query.frame,
            reference=self.reference.name,
            size=(width, height),
            box=tuple(boxes[0]) if boxes else None,
            score=score,
            absent=sample.get('absent', False),
            answer=sample.get('answer', ''),
            instead=sample.get('instead'),
            picture=picture,
        )


@dataclass(frozen=True)
class Batch:
    """Queries that were read.

    Attributes:
        queries: What they are called.
        asked: As the model takes them.
        looks: What answers them.
    """

    queries: list[Query]
    asked: Asked
    looks: Looks

    @classmethod
    def of(
        cls, queries: Sequence[tuple[Query, Future[Prepared]]], looks: Looks, leave_out: LeaveOut
    ) -> 'Batch':
        """Those of some queries that could be read."""
        read = []
        for query, prepared in queries:
            try:
                read.append((query, prepared.result()))
            except InputError as error:
                leave_out(query, error)
        return cls([query for query, _ in read], Asked([prepared for _, prepared in read]), looks)

    def find(
        self, references: Sequence[Reference], rivals: Sequence[Reference], picture: bool, leave_out: LeaveOut
    ) -> list[Found]:
        """What is found of each reference in each query, where no rival stands surer in its place."""
        wanted = [self._ask(reference, picture, leave_out) for reference in references]
        rivalling = [self._ask(rival, False, leave_out) for rival in rivals]
        found = []
        for answers in zip(*wanted, *rivalling, strict=True):
            others = [
                (other.reference.name, other.sample) for other in answers[len(wanted) :] if other is not None
            ]
            if len(others) < len(rivals):
                continue  # Nobody knows whose place it is where a rival could not be asked for.
            for answer in filter(None, answers[: len(wanted)]):
                give_way(answer.sample, others)
                found.append(answer)
        return found

    def _ask(self, reference: Reference, picture: bool, leave_out: LeaveOut) -> list[Found | None]:
        """What is found in each; None where the model cannot take a query."""
        if not self.queries:
            return []
        try:
            samples = self.looks.answer(reference, self.asked, picture)
        except InputError as error:
            if len(self.queries) > 1:
                pairs = zip(self.queries, self.asked.queries, strict=True)
                alone = [replace(self, queries=[query], asked=Asked([seen])) for query, seen in pairs]
                return [found for each in alone for found in each._ask(reference, picture, leave_out)]
            leave_out(self.queries[0], error)
            return [None]
        for sample in samples:
            sample.set_metainfo({'reference': reference.name})
        return [
            Found(query, seen, reference, sample, picture)
            for query, seen, sample in zip(self.queries, self.asked.queries, samples, strict=True)
        ]


def read_query(looks: Looks, query: Query) -> Prepared:
    """A query as the model takes it.

    Raises:
        InputError: It cannot be read, or is too small.
    """
    seen = query.read(is_enough=looks.is_enough)
    if min(seen.size) < _SMALLEST:
        width, height = seen.size
        raise InputError(f'{query}: too small: {width} x {height} pixels; give {_SMALLEST} or more a side')
    return looks.prepare(seen.pixels, str(query), seen.size)
