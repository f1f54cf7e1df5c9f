"""How episodes are picked from the frames of an object."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from mmdet.registry import TASK_UTILS

from focus_mmdet.datasets.annotations.tracks import Tracks
from focus_mmdet.datasets.episode import Episode, Frame, Track
from focus_mmdet.datasets.episodes.columns import Lists
from focus_mmdet.errors import InputError, check_choice, check_number

TARGETS = ('every', 'most_frequent')


class EpisodeSampler(ABC):
    """Picks episodes from tracks, the same ones every time.

    Args:
        shots: K, supports per episode; a list draws one of its values for
            each episode.
        target: ``'every'`` object, or of each video the ``'most_frequent'``
            one (TAO's protocol; the first of equals), the others being
            distractors.
        among_look_alikes: Only queries that show another object of the class.
        negatives: Share of episodes, 0..1, whose query lacks the object: a
            frame known to be without it, else one of another video, which is
            taken to lack it unless a record of the object there was left out.
            The other settings hold for it too.
        seed: Changes what is drawn.
    """

    def __init__(
        self,
        shots: int | Sequence[int] = 1,
        target: str = 'every',
        among_look_alikes: bool = False,
        negatives: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.shots = list(shots) if isinstance(shots, Sequence) else [shots]
        for value in self.shots or [0]:
            check_number('episodes.shots', value, low=1, whole=True)
        check_choice('episodes.target', target, TARGETS)
        check_number('episodes.negatives', negatives, low=0, high=1)
        check_number('episodes.seed', seed, low=0, whole=True)
        self.target = target
        self.among_look_alikes = among_look_alikes
        self.negatives = negatives
        self.seed = seed

    def targets(self, tracks: Sequence[Track]) -> Sequence[Track]:
        """The objects that episodes are made of."""
        if self.target == 'every':
            return tracks
        longest: dict[frozenset, Track] = {}
        for track in tracks:
            key = frozenset(track.videos)
            if key not in longest or len(track.frames) > len(longest[key].frames):
                longest[key] = track
        return list(longest.values())

    def episodes(self, index: int, track: Track, tracks: Sequence[Track]) -> list[Episode]:
        """Episodes of the target number ``index``.

        Args:
            index: Counts the targets; with the seed it makes the draw.
            track: The target.
            tracks: All objects, for queries without the target.

        Raises:
            InputError: The track is too short for the settings.
        """
        drawn = [
            Episode(tuple(track.frames[place] for place in places[:-1]), track.frames[places[-1]])
            for places in self.places(index, track)
        ]
        if not self.negatives:
            return drawn
        return [
            self._without_target(episode, track, tracks, np.random.default_rng([self.seed, index, number, 1]))
            for number, episode in enumerate(drawn)
        ]

    def places(self, index: int, track: Track) -> list[list[int]]:
        """Places of the track's frames in the episodes of the target number ``index``, the query's last."""
        if len(track.frames) < self.frames_needed:
            raise InputError(
                f'{track.name}: {len(track.frames)} images with a box, but {max(self.shots)} shots '
                f'need {self.frames_needed}. Add images, lower episodes.shots, or set '
                "bad_records='drop' (make_episodes.py: --keep-going) to leave such objects out"
            )
        queries: Sequence[int] = range(len(track.frames))
        if self.among_look_alikes:
            queries = [place for place in queries if any(track.frames[place].alike)]
        return self.sample(index, track, queries)

    @property
    def asks_absent(self) -> bool:
        """Whether a query may lack its object."""
        return bool(self.negatives)

    @property
    def frames_needed(self) -> int:
        """Frames a track must have."""
        return max(self.shots) + 1

    @abstractmethod
    def sample(self, index: int, track: Track, queries: Sequence[int]) -> list[list[int]]:
        """Frames of episodes that show the target, by their places in the track, the query last;
        ``queries`` are those that may be asked about."""

    def _shots(self, *entropy: int) -> int:
        """How many shots an episode has of which nothing else is drawn."""
        if len(self.shots) == 1:
            return self.shots[0]
        return int(np.random.default_rng(entropy).choice(self.shots))

    def _without_target(
        self, episode: Episode, track: Track, tracks: Sequence[Track], rng: np.random.Generator
    ) -> Episode:
        """The episode, or one with the same supports whose query lacks the object."""
        if rng.random() >= self.negatives:
            return episode
        query = self._ask(track.absent, lambda frame: frame, episode.supports, rng)
        if query is not None:
            return replace(episode, query=query)
        category = track.frames[0].category
        for _, frames in self._elsewhere(track, tracks, rng):
            query = self._ask(frames, lambda frame: unasked(frame, category), episode.supports, rng)
            if query is not None:
                return replace(episode, query=query)
        raise InputError(
            f'{track.name}: episodes.negatives={self.negatives}, but no image is known to lack it: under the '
            'other settings none that lists it as absent and no other video will do. Set episodes.negatives=0'
        )

    @staticmethod
    def _elsewhere(
        track: Track, tracks: Sequence[Track], rng: np.random.Generator
    ) -> Iterator[tuple[str, Sequence[Frame]]]:
        """Objects in random order: name, and frames in videos that neither show nor may show a track."""
        if track.elsewhere is None:
            return
        here = track.videos | track.elsewhere
        for place in _in_random_order(len(tracks), rng):
            other = tracks[place]
            frames: Sequence[Frame] = other.frames
            if not here.isdisjoint(other.videos):
                frames = [frame for frame in frames if frame.video not in here]
            if frames:
                yield other.name, frames

    def _ask(
        self,
        frames: Sequence[Frame],
        without: Callable[[Frame], Frame],
        supports: Sequence[Frame],
        rng: np.random.Generator,
    ) -> Frame | None:
        """One of the frames that may be a query once ``without`` has taken the object out of them."""
        places: Sequence[int] = range(len(frames))
        if not self.asks_any:
            places = [place for place in places if self.may_ask(without(frames[place]), supports)]
        return without(frames[places[int(rng.integers(len(places)))]]) if places else None

    @property
    def asks_any(self) -> bool:
        """Whether :meth:`may_ask` takes every frame."""
        return not self.among_look_alikes

    def may_ask(self, frame: Frame, supports: Sequence[Frame]) -> bool:
        """Whether a frame without the object may be a query."""
        return not self.among_look_alikes or any(frame.alike)

    def rows(self, tracks: Tracks, drop: Callable[[InputError], None]) -> Lists:
        """Rows of the frames of all episodes, where none is without its object.

        Args:
            tracks: All objects.
            drop: Takes the error of an object of which no episode can be made.
        """
        rows: list[int] = []
        ends = []
        for index, track in enumerate(self.targets(tracks)):
            try:
                drawn = self.places(index, track)
            except InputError as error:
                drop(error)
                continue
            of_track = tracks.rows_of(track)
            for places in drawn:
                rows += [of_track[place] for place in places]
                ends.append(len(rows))
        return Lists(np.array(rows, np.int64), np.array(ends, np.int64))


def _in_random_order(count: int, rng: np.random.Generator) -> Iterator[int]:
    """All numbers below ``count``, one of them twice: a permutation of many takes
    long, and the first is nearly always enough."""
    yield int(rng.integers(count))
    yield from rng.permutation(count).tolist()


def unasked(frame: Frame, category: int | str | None) -> Frame:
    """A frame of another object, which becomes one object more among the others.

    Args:
        frame: With a box.
        category: Class of the object that is asked for.
    """
    assert frame.box is not None
    return replace(
        frame,
        box=None,
        category=category,
        others=(frame.box, *frame.others),
        classes=(frame.category, *frame.classes),
    )


@TASK_UTILS.register_module()
class UniformSpanEpisodes(EpisodeSampler):
    """The paper's protocol: one episode a track, frames spread evenly.

    Frame ``round(i * (n - 1) / K)`` for i = 0..K: the first support is the
    first annotated frame, the query the last (with ``among_look_alikes`` the
    last that shows one).
    """

    def sample(self, index: int, track: Track, queries: Sequence[int]) -> list[list[int]]:
        shots = self._shots(self.seed, index)
        last = max(queries, default=-1)
        if last < shots:
            raise InputError(
                f'{track.name}: no image with another object of its class after {shots} supports '
                '(episodes.among_look_alikes)'
            )
        return [[round(i * last / shots) for i in range(shots + 1)]]


@TASK_UTILS.register_module()
class RandomEpisodes(EpisodeSampler):
    """Random supports and query of a track.

    Args:
        per_track: Episodes per track.
        min_gap: How many frames each support and the query must be apart,
            where both are of one video.
        shots, target, among_look_alikes, negatives, seed: As of
            :class:`EpisodeSampler`.
    """

    def __init__(
        self,
        shots: int | Sequence[int] = 1,
        per_track: int = 1,
        min_gap: int = 0,
        target: str = 'every',
        among_look_alikes: bool = False,
        negatives: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(shots, target, among_look_alikes, negatives, seed)
        check_number('episodes.per_track', per_track, low=1, whole=True)
        check_number('episodes.min_gap', min_gap, low=0, whole=True)
        self.per_track = per_track
        self.min_gap = min_gap

    def sample(self, index: int, track: Track, queries: Sequence[int]) -> list[list[int]]:
        return [
            self._draw(np.random.default_rng([self.seed, index, number]), track, queries)
            for number in range(self.per_track)
        ]

    def _draw(self, rng: np.random.Generator, track: Track, queries: Sequence[int]) -> list[int]:
        shots = int(rng.choice(self.shots))
        for query in rng.permutation(np.asarray(queries, dtype=int)).tolist():
            far = self._far_from(track, query)
            if len(far) >= shots:
                return [*rng.permutation(far)[:shots].tolist(), query]
        raise InputError(
            f'{track.name}: no image has {shots} supports under episodes.min_gap={self.min_gap} and '
            f'among_look_alikes={self.among_look_alikes}. Lower them, or set '
            "bad_records='drop' (make_episodes.py: --keep-going) to leave such objects out"
        )

    def _far_from(self, track: Track, query: int) -> np.ndarray:
        """Places of the frames that may support a query."""
        places = np.delete(np.arange(len(track.frames)), query)
        if self.min_gap == 0:
            return places
        asked = track.frames[query]
        if asked.number is None:
            raise InputError(
                f'{track.name}: episodes.min_gap={self.min_gap} needs frame_id to be a whole number'
            )
        return places[[not self._near(track.frames[place], asked) for place in places.tolist()]]

    @property
    def asks_any(self) -> bool:
        return super().asks_any and self.min_gap == 0

    def may_ask(self, frame: Frame, supports: Sequence[Frame]) -> bool:
        apart = not any(self._near(support, frame) for support in supports)
        return apart and super().may_ask(frame, supports)

    def _near(self, frame: Frame, asked: Frame) -> bool:
        if frame.video != asked.video or frame.number is None or asked.number is None:
            return False
        return abs(frame.number - asked.number) < self.min_gap


@TASK_UTILS.register_module()
class SameImageEpisodes(EpisodeSampler):
    """Supports and query from one image, for ``CropAroundBox`` to tell apart.

    For data that shows an object once, as COCO. The pipeline must crop: every
    frame of an episode gets a crop of its own, of the same photograph.

    Args:
        per_track: Episodes per track; they take its images in turn.
        shots, negatives, seed: As of :class:`EpisodeSampler`.
    """

    def __init__(
        self, shots: int | Sequence[int] = 1, per_track: int = 1, negatives: float = 0.0, seed: int = 0
    ) -> None:
        super().__init__(shots, negatives=negatives, seed=seed)
        check_number('episodes.per_track', per_track, low=1, whole=True)
        self.per_track = per_track

    @property
    def frames_needed(self) -> int:
        return 1

    def sample(self, index: int, track: Track, queries: Sequence[int]) -> list[list[int]]:
        return [
            [number % len(track.frames)] * (self._shots(self.seed, index, number) + 1)
            for number in range(self.per_track)
        ]

    def rows(self, tracks: Tracks, drop: Callable[[InputError], None]) -> Lists:
        # At once: of such data, every annotation may be an object.
        index, number = np.divmod(np.arange(len(tracks) * self.per_track), self.per_track)
        start, stop = tracks.bounds[index], tracks.bounds[index + 1]
        rows = tracks.order[start + number % (stop - start)]
        shots = np.full(len(rows), self.shots[0])
        if len(self.shots) > 1:
            pairs = zip(index.tolist(), number.tolist(), strict=True)
            shots[:] = [self._shots(self.seed, *pair) for pair in pairs]
        return Lists(np.repeat(rows, shots + 1), np.cumsum(shots + 1))
