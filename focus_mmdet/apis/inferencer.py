"""Find the object of some support images in other images."""

import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.infer import BaseInferencer
from mmengine.logging import print_log

from focus_mmdet.apis.answers.answerer import Answerer
from focus_mmdet.apis.answers.batches import Batch, Found, Looks, read_query
from focus_mmdet.apis.answers.kept_prefix import KeptPrefix, stamp
from focus_mmdet.apis.answers.written import Written
from focus_mmdet.apis.answers.zoom import CloserLook, check_tiles
from focus_mmdet.apis.export import load_detector
from focus_mmdet.apis.inputs.images import Image, Support
from focus_mmdet.apis.inputs.queries import Queries, Query, each_query, list_queries, read_ahead
from focus_mmdet.apis.inputs.reference import Reference, References, as_references, fingerprint, named_apart
from focus_mmdet.cli import read_config
from focus_mmdet.datasets.collate import collate_episodes
from focus_mmdet.errors import InputError, check_number
from focus_mmdet.progress import Progress
from focus_mmdet.shipped import READY


class InContextInferencer(BaseInferencer):
    """A trained detector, ready to look for things.

    The arguments of a call are those of MMDetection's ``DetInferencer``. Calls and :meth:`stream` take its
    steps, batch by batch: :meth:`preprocess`, :meth:`forward`, :meth:`visualize`, :meth:`postprocess`. A
    subclass may change each. A call gives a list of answers, with no dict round it.

    Threads may share it: their batches take turns. ``unread`` and ``found`` are then of the latest call.

    Args:
        config: Config file, or a loaded config; default: the small model that is shipped.
        checkpoint: Written by ``tools/train.py``; None or 'none' takes the pretrained
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

    preprocess_kwargs = {'every', 'tiles', 'zoom'}
    forward_kwargs = {'references', 'not_this', 'picture'}
    visualize_kwargs: set[str] = set()
    postprocess_kwargs = {'pred_score_thr', 'written'}

    def __init__(
        self,
        config: str | Path | Config = READY,
        checkpoint: str | None = None,
        device: str | None = None,
        grammar: bool = True,
    ) -> None:
        loaded = config if isinstance(config, Config) else read_config(str(config))
        if 'inference_pipeline' not in loaded:
            raise InputError(
                'the config has no inference_pipeline: the transforms of one episode whose images are read, '
                'as in configs/_base_/datasets/episodes.py'
            )
        checkpoint = None if checkpoint == 'none' else checkpoint
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        super().__init__(loaded, checkpoint, device, show_progress=False)
        if self.model.with_bbox:
            self.model.bbox_head.grammar = grammar
        self.unread: list[tuple[str, str]] = []
        self.found: list[Any] = []
        self.answerer, self._turn = Answerer(self.model, self.pipeline), RLock()
        self._checkpoint, self._fingerprint = checkpoint, fingerprint(loaded, checkpoint)

    def _init_model(self, cfg: Config, weights: str | None, device: str = 'cpu') -> Any:
        model = load_detector(cfg, weights)
        try:
            return model.to(device)
        except (RuntimeError, AssertionError) as error:
            raise InputError(f'device {device!r} cannot be used: {str(error).splitlines()[0]}') from error

    def _init_pipeline(self, cfg: Config) -> Compose:
        return Compose(cfg.inference_pipeline)

    def _init_collate(self, cfg: Config) -> Any:
        return collate_episodes

    def _init_visualizer(self, cfg: Config) -> None:
        """None: strips need no backend."""

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

    def recall(self, path: str | Path, keep: bool = False) -> Reference:
        """A reference that was saved.

        One of another model is taken, with a warning: its images and boxes fit any.

        Args:
            path: Its file.
            keep: Also keep what a VLM makes of it, in ``PATH.known``: of supports that it has read once it
                need not look at the pictures again. Other detectors write nothing.

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
        if keep:
            mark = stamp(self.model, self.cfg, self._checkpoint, self._fingerprint, reference)
            self.answerer.know(reference, KeptPrefix(path, mark))
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
        batches = self._run(
            queries,
            references,
            not_this,
            batch_size,
            return_datasamples,
            warn,
            every=every,
            tiles=tiles,
            zoom=zoom,
            picture=picture,
            pred_score_thr=pred_score_thr,
        )
        return (result for _, results in batches for result in results)

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
        told = Progress(len(files), 'queries') if isinstance(files, list) and show_progress else None
        found: list[Any] = []
        asked: set[str] = set()
        self.found = found
        for batch, results in self._run(
            files,
            references,
            not_this,
            batch_size,
            return_datasamples,
            every=every,
            tiles=tiles,
            zoom=zoom,
            picture=picture or drawn,
            pred_score_thr=pred_score_thr,
            written=written,
        ):
            found += results
            asked |= {query.name for query in batch.queries}
            if told is not None and len(asked) > told.done:
                told.update(len(asked) - told.done)
        if told is not None:
            told.close()
        return found

    def preprocess(
        self,
        inputs: Iterable[Image],
        batch_size: int = 1,
        every: int = 30,
        tiles: int = 0,
        zoom: bool = False,
    ) -> Iterator[Batch]:
        """Queries as the model takes them; other threads read ahead.

        What cannot be read is left out, and stands in :attr:`unread`.

        Args:
            inputs: Images and videos.
            batch_size: As of :meth:`stream`, like the others.
            every: Likewise.
            tiles: Likewise.
            zoom: Likewise.
        """
        looks: Looks = self.answerer
        if tiles or zoom:
            # All pixels of few queries are kept at a time.
            looks, batch_size = CloserLook(self.answerer, tiles, zoom, batch_size), 1
        queries = read_ahead(each_query(inputs, every), partial(read_query, looks), 2 * batch_size)
        while some := list(islice(queries, batch_size)):
            yield Batch.of(some, looks, self._leave_out)

    def forward(
        self,
        inputs: Batch,
        references: Sequence[Reference] = (),
        not_this: Sequence[Reference] = (),
        picture: bool = False,
    ) -> list[Found]:
        """What is found in a batch: query by query, and of each query reference by reference.

        Args:
            inputs: The batch.
            references: What is looked for.
            not_this: What may be mistaken for it, and takes its place where it is surer.
            picture: It will be drawn.
        """
        return inputs.find(references, not_this, picture, self._leave_out)

    def visualize(self, inputs: Batch, preds: Sequence[Found]) -> list[np.ndarray | None]:
        """Of each answer that is to be drawn a strip, (H, W, 3) uint8 RGB."""
        return [
            self.answerer.draw(found.reference, found.seen, found.sample) if found.is_to_be_drawn else None
            for found in preds
        ]

    def postprocess(
        self,
        preds: Sequence[Found],
        visualization: Sequence[np.ndarray | None],
        return_datasamples: bool = False,
        pred_score_thr: float = 0.0,
        written: Written | None = None,
    ) -> list[Any]:
        """Answers in the form they are given in, ``Located`` or ``DetDataSample``; they are written, too.

        Args:
            preds: What was found.
            visualization: The strip of each.
            return_datasamples: As of :meth:`stream`.
            pred_score_thr: Likewise.
            written: Takes the answers as files.
        """
        results: list[Any] = []
        for found, picture in zip(preds, visualization, strict=True):
            located = found.located(pred_score_thr, picture)
            if written is not None:
                written.add(located)
            results.append(found.sample if return_datasamples else located)
        return results

    def _run(
        self,
        queries: Queries,
        references: References,
        not_this: References,
        batch_size: int,
        return_datasamples: bool,
        warn: bool = True,
        **options: Any,
    ) -> Iterator[tuple[Batch, list[Any]]]:
        """Check the arguments, and answer; ``options`` are those of the steps."""
        self.unread = []
        check_number('batch_size', batch_size, low=1, whole=True)
        check_number('pred_score_thr', options['pred_score_thr'], low=0, high=1)
        check_number('every', options['every'], low=1, whole=True)
        check_tiles('tiles', options['tiles'])
        known = named_apart(as_references(references, self.remember))
        nothing = not_this is None or (isinstance(not_this, Sequence) and not not_this)
        rivals = [] if nothing else as_references(not_this, self.remember)
        if both := set(known) & set(rivals):
            raise InputError(f'not_this: {next(iter(both)).name!r} is also what is looked for')
        with self._turn:
            for reference in [*known, *rivals]:
                self.answerer.know(reference)
        steps = self._dispatch_kwargs(references=known, not_this=rivals, **options)
        return self._answers(list_queries(queries), batch_size, return_datasamples, warn, *steps)

    def _answers(
        self,
        inputs: Iterable[Image],
        batch_size: int,
        return_datasamples: bool,
        warn: bool,
        preprocess: dict[str, Any],
        forward: dict[str, Any],
        visualize: dict[str, Any],
        postprocess: dict[str, Any],
    ) -> Iterator[tuple[Batch, list[Any]]]:
        self.unread = []
        count = 0
        for batch in self.preprocess(inputs, batch_size, **preprocess):
            with self._turn:
                preds = self.forward(batch, **forward)
                strips = self.visualize(batch, preds, **visualize)
            count += len(preds)
            yield batch, self.postprocess(preds, strips, return_datasamples, **postprocess)
        reason = self.unread[0][1] if self.unread else ''
        if reason and not count:
            raise InputError(reason)
        if reason and warn:
            what = f'{len(self.unread)} of the queries could not be answered, the first for this: {reason}'
            print_log(what, 'current', logging.WARNING)

    def _leave_out(self, query: Query, error: InputError) -> None:
        name, reason = str(query), str(error)
        self.unread.append((name, reason if reason.startswith(query.name) else f'{name}: {reason}'))
