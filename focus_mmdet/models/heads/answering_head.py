"""The answering half of the head: from what a VLM writes to boxes and scores."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor

from focus_mmdet.core.boxes import from_grid
from focus_mmdet.core.places import spread
from focus_mmdet.core.prompt import format_answer
from focus_mmdet.errors import InputError, check_number, check_pair
from focus_mmdet.models.data_preprocessors.episode_encoder import EpisodeEncoder
from focus_mmdet.models.episode_batch import EpisodeBatch
from focus_mmdet.models.heads.scoring import Scoring, presence_logp
from focus_mmdet.models.heads.seen_query import SeenQuery, seen_queries, supports_look
from focus_mmdet.models.heads.voting import Voting
from focus_mmdet.models.vlm.generation import Generated, Sampling, generate
from focus_mmdet.models.vlm.grammar import AnswerGrammar
from focus_mmdet.models.vlm.known_prefix import KnownPrefix
from focus_mmdet.models.vlm.vlm import VisionLanguageModel

#: Score from which an object is likely there.
_LIKELY = 0.5


class AnsweringHead(BaseModule):
    """Asks the VLM of a subclass; arguments as of :class:`VLMHead`.

    Attributes:
        vlm: Set by the subclass.
        record_attention: Keep what attention the query image gives; armed by ``EpisodeVisualizationHook``.
    """

    vlm: VisionLanguageModel

    def __init__(
        self,
        max_new_tokens: int,
        temperature: float,
        score_calibration: tuple[float, float],
        score_likeness: float | None,
        voting: dict[str, Any] | None,
        grammar: bool,
    ) -> None:
        super().__init__()
        check_number('model.bbox_head.max_new_tokens', max_new_tokens, low=1, whole=True)
        check_number('model.bbox_head.temperature', temperature, low=0)
        if voting is not None and temperature > 0:
            raise InputError('model.bbox_head.voting draws answers by itself: leave temperature at 0')
        self.max_new_tokens = max_new_tokens
        self.temperature = temperature
        check_pair('model.bbox_head.score_calibration', score_calibration)
        self.scoring = Scoring(*score_calibration, score_likeness)
        self.voting = None if voting is None else _voting(voting)
        self.grammar = grammar
        self._grammar: AnswerGrammar | None = None
        self.record_attention = False

    @property
    def _looks(self) -> bool:
        """Is anything asked of the vision part alone?"""
        return self.scoring.likeness is not None or self.voting is not None

    def generate(
        self, batch: EpisodeBatch, speech: EpisodeEncoder, max_new_tokens: int, **options: Any
    ) -> Generated:
        """See :func:`focus_mmdet.models.vlm.generation.generate`."""
        return generate(
            self.vlm,
            batch,
            stop_id=speech.stop_id,
            pad_id=speech.tokenizer.pad_token_id,
            forbidden_ids=speech.forbidden_ids,
            max_new_tokens=max_new_tokens,
            **options,
        )

    def know_supports(self, batch: EpisodeBatch, behind: Tensor) -> KnownPrefix | None:
        """What the model keeps of the supports of the one episode of a batch, for :meth:`predict`.

        Args:
            batch: Of :class:`EpisodeEncoder`.
            behind: Ids of the same episode from the query image on, by themselves.

        Returns:
            None where supports cannot be read apart from a query: see
            :meth:`VisionLanguageModel.know_prefix`; or the
            tokenizer joins them.
        """
        ids, stop = batch.prompt_ids[0], batch.image_spans[0][-1][0]
        if not torch.equal(ids[stop:].cpu(), behind.cpu()):
            return None
        features = self.vlm.image_features(batch)[:-1]
        prefix = self.vlm.know_prefix(ids[:stop], batch.vision[:-1], features)
        if prefix is None or not self._looks:
            return prefix
        seen = self._seen(features, batch.places[:-1])
        return replace(prefix, look=supports_look(seen, batch.support_boxes[0]))

    def predict(
        self,
        batch: EpisodeBatch,
        samples: list[Any],
        speech: EpisodeEncoder,
        prefix: KnownPrefix | None = None,
    ) -> list[InstanceData]:
        """One box per episode in pixels of the original query image, or none.

        What lies outside the image is cut off, and a box wholly outside is none.
        None is also the answer that the object is absent, where it may be.
        The score is the geometric mean of the answer's token probabilities; where
        the query may lack the object, the probability that it is there, by
        :func:`presence_logp`. Both are calibrated, with the query's ``likeness`` where armed. With
        the grammar probabilities are still the model's own among all
        tokens, so that the same answer has nearly the same score; its ending,
        which is not written, counts as certain.
        With a ``prefix`` the batch is of :meth:`EpisodeEncoder.queries`.
        With :class:`Voting` the box is the elected one, and the score that of the most probable answer. Where
        that gives no box, drawn ones are elected from if the score is 0.5 or more.
        ``answer`` (the text), ``parse_error`` (None, or why there is no box),
        ``absent`` (the answer says so) and ``presence`` (the score, of "absent"
        too; 0 of what cannot be read) are set on each sample, and ``attention``
        and ``likeness`` where armed.
        """
        options: dict[str, Any] = dict(prefix=prefix)
        steps = self.max_new_tokens
        if self.grammar:
            options['grammar'] = self._answer_grammar(speech)
            steps = options['grammar'].steps
        options |= self._drawing(len(samples), steps)
        each = options.get('num_generations', 1)
        watch = self.record_attention and prefix is None
        generated = self.generate(batch, speech, self.max_new_tokens, record_attention=watch, **options)
        seen = self._seen_queries(batch, prefix)
        results = []
        for index, (sample, query) in enumerate(zip(samples, seen, strict=True)):
            first, *others = range(index * each, (index + 1) * each)
            text = speech.decode(generated.ids[first])
            cells = tuple(batch.cells[index].tolist())
            answer = speech.read(text, cells)
            sample.set_metainfo({'answer': text, 'parse_error': answer.reason, 'absent': answer.absent})
            if generated.attention is not None:
                maps = self._attention_maps(batch.select(index, index + 1), generated.attention[index])
                sample.set_metainfo({'attention': maps})
            logps = generated.logps[first]
            if speech.may_be_absent and answer.reason is None:
                logps = presence_logp(generated.ids[first], logps, answer, speech.tokenizer)
            score = self._score(sample, logps, query, answer.reason is None)
            boxes = torch.zeros(0, 4, device=batch.cells.device)
            if answer.box is not None:
                boxes = boxes.new_tensor([answer.box])
            if self.voting is not None and (len(boxes) or score >= _LIKELY):
                drawn = [speech.read(speech.decode(generated.ids[other]), cells).box for other in others]
                held = boxes.new_tensor([box for box in drawn if box is not None]).view(-1, 4)
                boxes = self.voting.elect(torch.cat([boxes, held]), cells, query)
                if len(boxes):
                    said = {
                        'answer': format_answer(boxes[0].round().int().tolist()),
                        'presence': float(score),
                    }
                    sample.set_metainfo({**said, 'parse_error': None, 'absent': False})
            boxes = from_grid(boxes, sample.ori_shape[1::-1], cells)
            labels = torch.zeros(len(boxes), dtype=torch.long, device=boxes.device)
            results.append(InstanceData(bboxes=boxes, scores=score.repeat(len(boxes)), labels=labels))
        return results

    def _score(self, sample: Any, logps: Tensor, query: SeenQuery | None, is_read: bool) -> Tensor:
        """() in 0..1 of an answer; ``presence`` and ``likeness`` are set on its sample."""
        likeness = None if query is None or self.scoring.likeness is None else query.likeness
        score = self.scoring(logps, likeness)
        sample.set_metainfo({'presence': float(score) if is_read else 0.0})
        if likeness is not None:
            sample.set_metainfo({'likeness': float(likeness)})
        return score

    def _answer_grammar(self, speech: EpisodeEncoder) -> AnswerGrammar:
        if self._grammar is None:
            self._grammar = speech.grammar().to(self.vlm.device)
        return self._grammar

    def _seen_queries(self, batch: EpisodeBatch, prefix: KnownPrefix | None) -> Sequence[SeenQuery | None]:
        if not self._looks:
            return [None] * len(batch)
        seen = self._seen(self.vlm.image_features(batch), batch.places)
        return seen_queries(batch, seen, None if prefix is None else prefix.look)

    def _seen(self, features: Sequence[Any], places: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Per image, by what its places are compared: see :meth:`VLMFamily.looks`."""
        return [self.vlm.family.looks(*pair) for pair in zip(features, places, strict=True)]

    def _drawing(self, count: int, steps: int) -> dict[str, Any]:
        """How answers to ``count`` queries are drawn, for :meth:`generate`."""
        if self.voting is not None:
            noise = self.voting.noise(steps).repeat(count, 1)
            return dict(num_generations=1 + self.voting.draws, noise=noise)
        if self.temperature > 0:
            return dict(sampling=Sampling(self.temperature), noise=torch.rand(count, steps))
        return {}

    def _attention_maps(self, batch: EpisodeBatch, received: Tensor) -> list[Any]:
        """Per image of one episode, (rows, columns) attention from the query image, as numpy."""
        visual = received[self.vlm.family.image_mask(batch.prompt_ids[0])].cpu()
        parts = visual.split([len(places) for places in batch.places])
        return [spread(part, at.cpu()).numpy() for part, at in zip(parts, batch.places, strict=True)]


def _voting(options: dict[str, Any]) -> Voting:
    try:
        return Voting(**options)
    except TypeError as error:
        raise InputError(f'model.bbox_head.voting={options!r}: {error}') from error
