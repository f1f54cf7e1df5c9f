"""A video's first frames and all that come after them."""

from collections.abc import Sequence

from mmdet.registry import TASK_UTILS

from focus_mmdet.datasets.annotations.natural_order import natural_order
from focus_mmdet.datasets.episode import Episode, Frame, Track
from focus_mmdet.datasets.episodes.samplers import EpisodeSampler


@TASK_UTILS.register_module()
class FirstFramesEpisodes(EpisodeSampler):
    """An object is shown in the first frames of its video, and asked for in each later one, in their order.

    Asked are those with the object and those that list it as absent, of the first support's video alone. So
    is video object segmentation tested.

    Args:
        shots, target, seed: As of :class:`EpisodeSampler`.
    """

    asks_absent = True

    def __init__(self, shots: int | Sequence[int] = 1, target: str = 'every', seed: int = 0) -> None:
        super().__init__(shots, target, seed=seed)

    def sample(self, index: int, track: Track, queries: Sequence[int]) -> list[list[int]]:
        shots = self._shots(self.seed, index)
        video = track.frames[0].video
        return [[*range(shots), place] for place in queries[shots:] if track.frames[place].video == video]

    def episodes(self, index: int, track: Track, tracks: Sequence[Track]) -> list[Episode]:
        shown = super().episodes(index, track, tracks)
        if not shown:
            return []
        supports = shown[0].supports
        begun = _order(supports[-1])
        gone = [frame for frame in track.absent if frame.video == supports[0].video and _order(frame) > begun]
        queries = [*(episode.query for episode in shown), *gone]
        return [Episode(supports, query) for query in sorted(queries, key=_order)]


def _order(frame: Frame) -> tuple:
    """Place of a frame in its video: by its number, or where it has none by its file's name."""
    return (frame.number is None, frame.number or 0, natural_order(frame.path))
