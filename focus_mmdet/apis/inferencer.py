"""Find the object of some support images in other images."""

import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.logging import print_log

from focus_mmdet.apis.answerer import Answerer, Asked, Prepared
from focus_mmdet.apis.export import load_detector
from focus_mmdet.apis.images import Support
from focus_mmdet.apis.queries import Queries, Query, each_query, list_queries, read_ahead
from focus_mmdet.apis.reference import Reference, fingerprint
from focus_mmdet.apis.rivals import give_way
from focus_mmdet.apis.written import Written
from focus_mmdet.apis.zoom import CloserLook
from focus_mmdet.cli import read_config
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.progress import Progress
from focus_mmdet.results.located import Located
from focus_mmdet.shipped import READY

#: Pixels of a query's shorter side: in fewer there is nothing to be found.
_SMALLEST = 8

References = Reference | Sequence[Reference] | Sequence[Support]
#: What reads and answers queries.
Looks = Answerer | CloserLook


class Answered(NamedTuple):
    """A query, its sample with ``pred_instances``, and its strip where a picture was asked for."""

    query: Query
    sample: DetDataSample
    picture: np.ndarray | None


class InContextInferencer:
    """A trained detector, ready to look for things.

    The arguments of a call are those of MMDetection's ``DetInferencer``. It is no ``BaseInferencer``:
    that one takes inputs alone and gives one dict when all is done, and of its steps none would be left.

    Not for several threads at once.

    Args:
        config: Config file, or a loaded config; default: the
            ``FeatureMatcher`` that is shipped, which needs no training.
        checkpoint: Written by ``tools/train.py``; None takes the pretrained
            model as it is.
        device: E.g. ``'cuda:0'``; default is a GPU where there is one.
        grammar: A VLM's answers keep to the form of one that can be read, and take fewer steps.

    Attributes:
        unread: What the latest call could not answer: pairs of a query's name and the reason.
        found: What the latest call in list form has found, also where it was interrupted.

    Raises:
        InputError: The checkpoint does not fit the config, the model folder is
            missing, or the config has no ``inference_pipeline``.
    """

    def __init__(
        self,
        config: str | Path | Config = READY,
        checkpoint: str | None = None,
        device: str | None = None,
        grammar: bool = True,
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
            self.model.bbox_head.grammar = grammar
        self.unread: list[tuple[str, str]] = []
        self.found: list[Any] = []
        self.answerer = Answerer(self.model, self.config.inference_pipeline)
        self._fingerprint = fingerprint(self.config, checkpoint)

    def remember(self, supports: Sequence[Support], name: str | None = None) -> Reference:
        """An object, to be looked for in any number of calls.

        Args:
            supports: At least one (image, box): a path, a frame ``clip.mp4#120``, an RGB uint8 array
                (H, W, 3) or a PIL image, and (x1, y1, x2, y2) in its pixels, at least one wide and high.
            name: Default: that of the first file.

        Raises:
            InputError: No support, an unreadable image or a bad box.
        """
        return Reference.of(supports, name, self._fingerprint)

    def recall(self, path: str | Path) -> Reference:
        """A reference that was saved.

        One of another model is taken, with a warning: its images and boxes fit any.

        Raises:
            InputError: No such file, or it is no reference.
        """
        reference = Reference.load(path)
        if reference.model != self._fingerprint:
            print_log(
                f'{path}: was remembered with another model or config; this one looks at its images anew, '
                'and may answer otherwise',
                'current',
                logging.WARNING,
            )
        return reference

    def stream(
        self,
        queries: Queries,
        references: References,
        *,
        not_this: References = (),
        batch_size: int = 1,
        pred_score_thr: float = 0.0,
        picture: bool = False,
        every: int = 30,
        return_datasamples: bool = False,
        warn: bool = True,
        tiles: int = 0,
        zoom: bool = False,
    ) -> Generator[Any, None, None]:
        """Answers one after the other, query by query, and of each query reference by reference.

        What cannot be read is left out, and stands in :attr:`unread`. Closed early, it reads no further.

        Args:
            queries: One or several (also a generator): images as of :meth:`remember`, folders (all pictures
                and videos in them and below), globs, videos. From a generator, twice ``batch_size`` are
                taken before the first is answered.
            references: One or several, or pairs of images and boxes.
            not_this: The same of what may be mistaken for them. Each query is asked for it, too; where it is
                found in the same place (IoU over 0.5) with a higher score, the answer is "absent".
            batch_size: Queries that go through the model together.
            pred_score_thr: A box with a lower score is left out of its answer; 0..1.
            picture: Also draw a strip of supports, query and attention: slower.
            every: Of videos, ask each such frame.
            return_datasamples: Give MMDetection's ``DetDataSample`` in place of :class:`Located`.
            warn: Count at the end, in one warning, what could not be read.
            tiles: For small objects: also look into square tiles of so many pixels a side, 64 or more, in the
                full resolution of the file. The best-scored box counts. 0: none. Queries then go one by
                one, and their tiles together.
            zoom: Look a second time, into the neighbourhood of the box that was found, in full resolution.
                Queries then go one by one.

        Raises:
            InputError: A bad argument, or not one query could be answered.
        """
        found = self._run(
            queries, references, not_this, batch_size, pred_score_thr, picture, every, tiles, zoom, warn
        )
        return (sample if return_datasamples else located for located, sample in found)

    def __call__(
        self,
        queries: Queries,
        references: References,
        batch_size: int = 1,
        pred_score_thr: float = 0.0,
        out_dir: str | Path = '',
        no_save_vis: bool = False,
        no_save_pred: bool = False,
        return_datasamples: bool = False,
        show_progress: bool = False,
        picture: bool = False,
        every: int = 30,
        not_this: References = (),
        tiles: int = 0,
        zoom: bool = False,
    ) -> list[Any]:
        """All answers of :meth:`stream`, in a list, and in files.

        Ctrl-C raises as ever; what was found until then stays in :attr:`found` and in ``out_dir``.

        Args:
            queries: As of :meth:`stream`, like those not named below.
            references: Likewise.
            batch_size: Likewise.
            pred_score_thr: Likewise.
            out_dir: Folder for ``preds/*.json`` and ``vis/*.png``, one file an answer, as
                ``DetInferencer`` writes them; empty: none.
            no_save_vis: Draw and write no pictures.
            no_save_pred: Write no JSON.
            return_datasamples: Likewise.
            show_progress: Tell on stderr how far it is.
            picture: Likewise; also where pictures are written.
            every: Likewise.
            not_this: Likewise.
            tiles: Likewise.
            zoom: Likewise.

        Raises:
            InputError: As of :meth:`stream`; or ``out_dir`` cannot be written.
        """
        files = list(list_queries(queries)) if show_progress else queries
        drawn = bool(out_dir) and not no_save_vis
        written = Written(Path(out_dir), drawn, not no_save_pred) if out_dir else None
        told = Progress(len(files), 'queries') if isinstance(files, list) else None
        self.found = []
        asked: set[str] = set()
        for located, sample in self._run(
            files, references, not_this, batch_size, pred_score_thr, picture or drawn, every, tiles, zoom
        ):
            if written is not None:
                written.add(located)
            self.found.append(sample if return_datasamples else located)
            if told is not None and located.query not in asked:
                asked.add(located.query)
                told.update()
        if told is not None:
            told.close()
        return self.found

    def _run(
        self,
        queries: Queries,
        references: References,
        not_this: References,
        batch_size: int,
        pred_score_thr: float,
        picture: bool,
        every: int,
        tiles: int,
        zoom: bool,
        warn: bool = True,
    ) -> Iterator[tuple[Located, DetDataSample]]:
        """Check the arguments, and answer."""
        check_number('batch_size', batch_size, low=1, whole=True)
        check_number('pred_score_thr', pred_score_thr, low=0, high=1)
        check_number('every', every, low=1, whole=True)
        known = self._known(references)
        rivals = [] if isinstance(not_this, Sequence) and not not_this else self._known(not_this)
        if both := set(known) & set(rivals):
            raise InputError(f'not_this: {next(iter(both)).name!r} is also what is looked for')
        for reference in [*known, *rivals]:
            self.answerer.know(reference)
        asked = each_query(list_queries(queries), every)
        closer = CloserLook(self.answerer, tiles, zoom, batch_size)
        if closer.is_needed:
            # All pixels of few queries are kept at a time.
            return self._answers(asked, closer, known, rivals, 1, pred_score_thr, picture, warn)
        return self._answers(asked, self.answerer, known, rivals, batch_size, pred_score_thr, picture, warn)

    def _known(self, references: References) -> list[Reference]:
        files = [references] if isinstance(references, (str, Path)) else references
        if isinstance(files, Sequence) and files and all(isinstance(each, (str, Path)) for each in files):
            raise InputError(f'references: recall the file first: find.recall({str(files[0])!r})')
        if isinstance(references, Reference):
            return [references]
        if isinstance(references, Sequence) and all(isinstance(each, Reference) for each in references):
            if not references:
                raise InputError(
                    'references: give at least one, or at least one pair of an image and its box'
                )
            return list(references)  # type: ignore[arg-type]
        return [self.remember(references)]  # type: ignore[arg-type]

    def _answers(
        self,
        queries: Iterable[Query],
        looks: Looks,
        references: Sequence[Reference],
        rivals: Sequence[Reference],
        batch_size: int,
        threshold: float,
        picture: bool,
        warn: bool,
    ) -> Iterator[tuple[Located, DetDataSample]]:
        self.unread = []
        count = 0
        for batch in _batches(read_ahead(queries, partial(_read, looks), 2 * batch_size), batch_size):
            read = self._readable(batch)
            asked = Asked([prepared for _, prepared in read])
            asking = [query for query, _ in read]
            wanted = [self._ask(looks, asking, asked, reference, picture) for reference in references]
            others = [self._ask(looks, asking, asked, rival, False) for rival in rivals]
            for answers in zip(*wanted, *others, strict=True):
                asked_too = list(zip(rivals, answers[len(references) :], strict=True))
                others_found = [(rival.name, answer.sample) for rival, answer in asked_too if answer]
                for reference, answer in zip(references, answers, strict=False):
                    # Nobody knows whose place it is where a rival could not be asked for.
                    if answer is not None and len(others_found) == len(rivals):
                        count += 1
                        give_way(answer.sample, others_found)
                        yield _located(answer, reference, threshold)
        if not self.unread:
            return
        reason = self.unread[0][1]
        if not count:
            raise InputError(reason)
        if warn:
            print_log(
                f'{len(self.unread)} of the queries could not be answered, the first for this: {reason}',
                'current',
                logging.WARNING,
            )

    def _readable(self, batch: Sequence[tuple[Query, Future[Prepared]]]) -> list[tuple[Query, Prepared]]:
        """Those of a batch that could be read."""
        read = []
        for query, prepared in batch:
            try:
                read.append((query, prepared.result()))
            except InputError as error:
                self._leave_out(query, error)
        return read

    def _leave_out(self, query: Query, error: InputError) -> None:
        name, reason = str(query), str(error)
        self.unread.append((name, reason if reason.startswith(query.name) else f'{name}: {reason}'))

    def _ask(
        self, looks: Looks, queries: Sequence[Query], asked: Asked, reference: Reference, picture: bool
    ) -> list[Answered | None]:
        """What is found in each; None where the model cannot take a query."""
        if not queries:
            return []
        try:
            samples = looks.answer(reference, asked, picture)
        except InputError as error:
            if len(queries) > 1:
                pairs = zip(queries, asked.queries, strict=True)
                alone = [self._ask(looks, [query], Asked([one]), reference, picture) for query, one in pairs]
                return [answer for each in alone for answer in each]
            self._leave_out(queries[0], error)
            return [None]
        return [
            Answered(query, sample, self.answerer.draw(reference, seen, sample) if picture else None)
            for query, seen, sample in zip(queries, asked.queries, samples, strict=True)
        ]


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def _read(looks: Looks, query: Query) -> Prepared:
    seen = query.read(is_enough=looks.is_enough)
    if min(seen.size) < _SMALLEST:
        width, height = seen.size
        raise InputError(f'{query}: too small: {width} x {height} pixels; give {_SMALLEST} or more a side')
    return looks.prepare(seen.pixels, str(query), seen.size)


def _located(answered: Answered, reference: Reference, threshold: float) -> tuple[Located, DetDataSample]:
    """What is said of a query, and the sample it was read from."""
    query, sample = answered.query, answered.sample
    scores = sample.pred_instances.scores
    score = sample.get('presence', float(scores[0]) if len(scores) else 0.0)
    sample.pred_instances = sample.pred_instances[sample.pred_instances.scores >= threshold]
    found = sample.pred_instances
    height, width = sample.ori_shape[:2]
    located = Located(
        query=query.name,
        frame=query.frame,
        reference=reference.name,
        size=(width, height),
        box=tuple(found.bboxes[0].tolist()) if len(found) else None,
        score=score,
        absent=sample.get('absent', False),
        answer=sample.get('answer', ''),
        instead=sample.get('instead'),
        picture=answered.picture,
    )
    return located, sample
