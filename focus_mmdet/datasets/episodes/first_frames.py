"""A video's first frames and all that come after them."""

from collections import defaultdict
from collections.abc import Sequence

from mmdet.registry import TASK_UTILS

from focus_mmdet.datasets.annotations.natural_order import natural_order
from focus_mmdet.datasets.episode import Episode, Frame, Track
from focus_mmdet.datasets.episodes.samplers import EpisodeSampler
from focus_mmdet.errors import InputError


@TASK_UTILS.register_module()
class FirstFramesEpisodes(EpisodeSampler):
    """An object is shown in the first frames of a video, and asked for in each later one, in their order.

    Asked are those with the object and those that list it as absent. An object that is in several videos is
    followed in each that has a frame to ask about. So is video object segmentation tested.

    Args:
        shots, target, seed: As of :class:`EpisodeSampler`.
    """

    asks_absent = True

    def __init__(self, shots: int | Sequence[int] = 1, target: str = 'every', seed: int = 0) -> None:
        super().__init__(shots, target, seed=seed)

    def sample(self, index: int, track: Track, queries: Sequence[int]) -> list[list[int]]:
        shots = self._shots(self.seed, index)
        videos: dict[int | str | None, list[int]] = defaultdict(list)
        for place in queries:
            videos[track.frames[place].video].append(place)
        drawn = [[*shown[:shots], place] for shown in videos.values() for place in shown[shots:]]
        if not drawn:
            raise InputError(
                f'{track.name}: no video shows it in more than {max(map(len, videos.values()))} frames, and '
                f'{shots} shots need {shots + 1}. Lower episodes.shots, or set '
                "bad_records='drop' (make_episodes.py: --keep-going) to leave such objects out"
            )
        return drawn

    def episodes(self, index: int, track: Track, tracks: Sequence[Track]) -> list[Episode]:
        videos: dict[tuple[Frame, ...], list[Frame]] = defaultdict(list)
        for episode in super().episodes(index, track, tracks):
            videos[episode.supports].append(episode.query)
        found = []
        for supports, queries in videos.items():
            video, begun = supports[0].video, _order(supports[-1])
            queries += [frame for frame in track.absent if frame.video == video and _order(frame) > begun]
            found += [Episode(supports, query) for query in sorted(queries, key=_order)]
        return found


def _order(frame: Frame) -> tuple:
    """Place of a frame in its video: by its number, or where it has none by its file's name."""
    return (frame.number is None, frame.number or 0, natural_order(frame.path))
