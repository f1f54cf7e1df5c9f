"""How episodes are picked from the frames of an object."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from mmdet.registry import TASK_UTILS

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.episode import Episode, Frame, Track
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

    def targets(self, tracks: Sequence[Track]) -> list[Track]:
        """The objects that episodes are made of."""
        if self.target == 'every':
            return list(tracks)
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
        if len(track.frames) < self.frames_needed:
            raise InputError(
                f'{track.name}: {len(track.frames)} images with a box, but {max(self.shots)} shots '
                f'need {self.frames_needed}. Add images, lower episodes.shots, or set '
                "bad_records='drop' (make_episodes.py: --keep-going) to leave such objects out"
            )
        queries = [
            place
            for place, frame in enumerate(track.frames)
            if not self.among_look_alikes or any(frame.alike)
        ]
        drawn = self.sample(index, track, queries)
        return [
            self._without_target(episode, track, tracks, np.random.default_rng([self.seed, index, number, 1]))
            for number, episode in enumerate(drawn)
        ]

    @property
    def frames_needed(self) -> int:
        """Frames a track must have."""
        return max(self.shots) + 1

    @abstractmethod
    def sample(self, index: int, track: Track, queries: Sequence[int]) -> list[Episode]:
        """Episodes that show the target; ``queries`` are the frames of the
        track that may be asked about, by their places."""

    def _shots(self, rng: np.random.Generator) -> int:
        return int(rng.choice(self.shots))

    def _without_target(
        self, episode: Episode, track: Track, tracks: Sequence[Track], rng: np.random.Generator
    ) -> Episode:
        """The episode, or one with the same supports whose query lacks the object."""
        if rng.random() >= self.negatives:
            return episode
        known = [frame for frame in track.absent if self.may_ask(frame, episode.supports)]
        if known:
            return replace(episode, query=known[rng.integers(len(known))])
        for other in self._elsewhere(track, tracks, rng):
            frames = [_unasked(frame, track.frames[0].category) for frame in other.frames]
            frames = [frame for frame in frames if self.may_ask(frame, episode.supports)]
            if frames:
                return replace(episode, query=frames[rng.integers(len(frames))])
        raise InputError(
            f'{track.name}: episodes.negatives={self.negatives}, but no image is known to lack it: under the '
            'other settings none that lists it as absent and no other video will do. Set episodes.negatives=0'
        )

    @staticmethod
    def _elsewhere(track: Track, tracks: Sequence[Track], rng: np.random.Generator) -> Iterator[Track]:
        """Objects that are in none of the videos that show or may show a track, in random order."""
        if track.elsewhere is None:
            return
        here = track.videos | track.elsewhere
        for other in _in_random_order(len(tracks), rng):
            if not here & tracks[other].videos:
                yield tracks[other]

    def may_ask(self, frame: Frame, supports: Sequence[Frame]) -> bool:
        """Whether a frame without the object may be a query."""
        return not self.among_look_alikes or any(frame.alike)


def _in_random_order(count: int, rng: np.random.Generator) -> Iterator[int]:
    """All numbers below ``count``, one of them twice: a permutation of many takes
    long, and the first is nearly always enough."""
    yield int(rng.integers(count))
    yield from rng.permutation(count).tolist()


def _unasked(frame: Frame, category: int | str | None) -> Frame:
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

    def sample(self, index: int, track: Track, queries: Sequence[int]) -> list[Episode]:
        shots = self._shots(np.random.default_rng([self.seed, index]))
        last = max(queries, default=-1)
        if last < shots:
            raise InputError(
                f'{track.name}: no image with another object of its class after {shots} supports '
                '(episodes.among_look_alikes)'
            )
        picked = [track.frames[round(i * last / shots)] for i in range(shots + 1)]
        return [Episode(tuple(picked[:-1]), picked[-1])]


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

    def sample(self, index: int, track: Track, queries: Sequence[int]) -> list[Episode]:
        return [
            self._draw(np.random.default_rng([self.seed, index, number]), track, queries)
            for number in range(self.per_track)
        ]

    def _draw(self, rng: np.random.Generator, track: Track, queries: Sequence[int]) -> Episode:
        shots = self._shots(rng)
        for query in rng.permutation(np.asarray(queries, dtype=int)).tolist():
            far = self._far_from(track, query)
            if len(far) >= shots:
                picked = [track.frames[place] for place in rng.permutation(far)[:shots]]
                return Episode(tuple(picked), track.frames[query])
        raise InputError(
            f'{track.name}: no image has {shots} supports under episodes.min_gap={self.min_gap} and '
            f'among_look_alikes={self.among_look_alikes}. Lower them, or set '
            "bad_records='drop' (make_episodes.py: --keep-going) to leave such objects out"
        )

    def _far_from(self, track: Track, query: int) -> list[int]:
        """Places of the frames that may support a query."""
        asked = track.frames[query]
        places = [place for place in range(len(track.frames)) if place != query]
        if self.min_gap == 0:
            return places
        if asked.number is None:
            raise InputError(
                f'{track.name}: episodes.min_gap={self.min_gap} needs frame_id to be a whole number'
            )
        return [place for place in places if not self._near(track.frames[place], asked)]

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

    def sample(self, index: int, track: Track, queries: Sequence[int]) -> list[Episode]:
        episodes = []
        for number in range(self.per_track):
            frame = track.frames[number % len(track.frames)]
            shots = self._shots(np.random.default_rng([self.seed, index, number]))
            episodes.append(Episode((frame,) * shots, frame))
        return episodes


def draw_episodes(sampler: EpisodeSampler, file: AnnotationFile) -> list[Episode]:
    """All episodes that a sampler makes of a COCO file.

    Raises:
        InputError: A bad record, or an object too short for the settings,
            where the file does not drop those.
    """
    tracks = file.tracks()
    episodes = []
    for index, track in enumerate(sampler.targets(tracks)):
        try:
            episodes += sampler.episodes(index, track, tracks)
        except InputError as error:
            file.drop(InputError(f'{file.path}: {error}'))
    return episodes
