"""One reference and many pictures to sort by it."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from mmdet.registry import TASK_UTILS

from focus_mmdet.datasets.episode import Episode, Frame, Track
from focus_mmdet.datasets.episodes.samplers import EpisodeSampler, unasked
from focus_mmdet.errors import InputError, check_number


@TASK_UTILS.register_module()
class GalleryEpisodes(EpisodeSampler):
    """One gallery a track: its first support frames stay, and are asked about many pictures.

    Asked are the other frames of the track, drawn at random where they are too
    many, and pictures that lack the object: those that list it as absent, then
    single ones of other videos. Every picture is asked about once.

    Args:
        size: Pictures of a gallery. Where the track has too few frames for
            the share that shall show the object, more lack it. None takes all
            frames of the track, and as many without it as ``negatives`` says.
        negatives: Share of the pictures that lack the object, 0..1.
        shots, target, among_look_alikes, seed: As of :class:`EpisodeSampler`; among
            look-alikes are the pictures with the object and those without.
    """

    def __init__(
        self,
        shots: int | Sequence[int] = 1,
        size: int | None = None,
        target: str = 'every',
        among_look_alikes: bool = False,
        negatives: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__(shots, target, among_look_alikes, negatives, seed)
        if size is not None:
            check_number('episodes.size', size, low=2, whole=True)
        if negatives == 1:
            raise InputError('episodes.negatives=1: a gallery has pictures with the object; give less')
        self.size = size

    def sample(self, index: int, track: Track, queries: Sequence[int]) -> list[list[int]]:
        rng = np.random.default_rng([self.seed, index])
        order = rng.permutation(len(track.frames)).tolist()
        supports = order[: int(rng.choice(self.shots))]
        shown = [place for place in order if place in set(queries) - set(supports)]
        if not shown:
            raise InputError(
                f'{track.name}: no image with another object of its class beside the supports '
                '(episodes.among_look_alikes)'
            )
        if self.size is not None:
            shown = shown[: max(1, round(self.size * (1 - self.negatives)))]
        return [[*supports, place] for place in shown]

    def episodes(self, index: int, track: Track, tracks: Sequence[Track]) -> list[Episode]:
        places = self.places(index, track)
        supports = tuple(track.frames[place] for place in places[0][:-1])
        shown = [track.frames[each[-1]] for each in places]
        count = round(len(shown) * self.negatives / (1 - self.negatives))
        if self.size is not None and self.negatives:
            count = self.size - len(shown)
        rng = np.random.default_rng([self.seed, index, 1])
        lacking = self._lacking(track, tracks, rng, count)
        if len(lacking) < count:
            raise InputError(
                f'{track.name}: its gallery needs {count} images that lack it, and {len(lacking)} are known. '
                'Lower episodes.size or episodes.negatives, or set '
                "bad_records='drop' (make_episodes.py: --keep-going) to leave such objects out"
            )
        queries = [*shown, *lacking]
        return [Episode(supports, queries[place]) for place in rng.permutation(len(queries)).tolist()]

    def _lacking(
        self, track: Track, tracks: Sequence[Track], rng: np.random.Generator, count: int
    ) -> list[Frame]:
        """At most ``count`` different pictures without the object; of other objects, one of each in turn."""
        listed = [frame for frame in track.absent if self.may_ask(frame, ())]
        found = {listed[place].path: listed[place] for place in rng.permutation(len(listed))[:count].tolist()}
        category, known = track.frames[0].category, -1
        while known < len(found) < count:
            known, asked = len(found), set()
            for name, frames in self._elsewhere(track, tracks, rng):
                if len(found) == count:
                    break
                if name not in asked:
                    asked.add(name)
                    drawn = (frames[place] for place in rng.permutation(len(frames)).tolist())
                    fresh = (unasked(frame, category) for frame in drawn if frame.path not in found)
                    found |= {frame.path: frame for frame in self._first(fresh)}
        return list(found.values())

    def _first(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The first that may be asked about, if there is one."""
        return islice((frame for frame in frames if self.may_ask(frame, ())), 1)
