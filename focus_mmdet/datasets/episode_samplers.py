"""How episodes are picked from the frames of an object."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from mmdet.registry import TASK_UTILS

from focus_mmdet.datasets.episode import Episode, Track
from focus_mmdet.errors import InputError, check_number


class EpisodeSampler(ABC):
    """Picks episodes from tracks, the same ones every time."""

    #: Frames a track must have.
    frames_needed: int

    def check(self, track: Track) -> None:
        """Raise :class:`InputError` where a track is too short."""
        if len(track.frames) < self.frames_needed:
            raise InputError(
                f'{track.name}: {len(track.frames)} images with a box, but {self.frames_needed - 1} shots '
                f'need {self.frames_needed}. Add images, lower episodes.shots, or set '
                "bad_records='drop' to leave such objects out"
            )

    @abstractmethod
    def sample(self, index: int, track: Track) -> list[Episode]:
        """Episodes of track number ``index``."""


@TASK_UTILS.register_module()
class UniformSpanEpisodes(EpisodeSampler):
    """The paper's protocol: one episode a track, frames spread evenly.

    Frame ``round(i * (n - 1) / K)`` for i = 0..K: the first support is the
    first annotated frame, the query the last.

    Args:
        shots: K, supports per episode.
    """

    def __init__(self, shots: int = 1) -> None:
        check_number('episodes.shots', shots, low=1, whole=True)
        self.shots = shots
        self.frames_needed = shots + 1

    def sample(self, index: int, track: Track) -> list[Episode]:
        last = len(track.frames) - 1
        picked = [track.frames[round(i * last / self.shots)] for i in range(self.shots + 1)]
        return [Episode(tuple(picked[:-1]), picked[-1])]


@TASK_UTILS.register_module()
class RandomEpisodes(EpisodeSampler):
    """Random supports and query of a track, derived from a seed.

    Args:
        shots: K, or several values to draw from.
        per_track: Episodes per track.
        seed: Changes which episodes are drawn.
    """

    def __init__(self, shots: int | Sequence[int] = 1, per_track: int = 1, seed: int = 0) -> None:
        self.shots = list(shots) if isinstance(shots, Sequence) else [shots]
        for value in self.shots or [0]:
            check_number('episodes.shots', value, low=1, whole=True)
        check_number('episodes.per_track', per_track, low=1, whole=True)
        check_number('episodes.seed', seed, low=0, whole=True)
        self.frames_needed = max(self.shots) + 1
        self.per_track = per_track
        self.seed = seed

    def sample(self, index: int, track: Track) -> list[Episode]:
        episodes = []
        for number in range(self.per_track):
            rng = np.random.default_rng([self.seed, index, number])
            shots = int(rng.choice(self.shots))
            picked = [track.frames[i] for i in rng.permutation(len(track.frames))[: shots + 1]]
            episodes.append(Episode(tuple(picked[:-1]), picked[-1]))
        return episodes
