"""Episodes of an annotation file, of which every image that they use is checked."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.annotations.tracks import Tracks
from focus_mmdet.datasets.episode import Episode
from focus_mmdet.datasets.episodes.columns import EpisodeColumns, Lists
from focus_mmdet.datasets.episodes.samplers import EpisodeSampler
from focus_mmdet.errors import InputError

Drawn = TypeVar('Drawn')


def draw_episodes(sampler: EpisodeSampler, file: AnnotationFile) -> list[Episode]:
    """All episodes that a sampler makes of a COCO file, their images checked.

    Images that no episode uses are not looked at, unless one that is used has to be left out.

    Raises:
        InputError: A bad record or image, or an object too short for the settings,
            where the file does not drop those.
    """

    def draw(tracks: Tracks) -> list[Episode]:
        episodes: list[Episode] = []
        for index, track in enumerate(sampler.targets(tracks)):
            try:
                episodes += sampler.episodes(index, track, tracks)
            except InputError as error:
                file.drop(InputError(f'{file.path}: {error}'))
        return episodes

    def images(tracks: Tracks, episodes: list[Episode]) -> list[int]:
        frames = (frame for episode in episodes for frame in (*episode.supports, episode.query))
        return list({tracks.image(frame.path) for frame in frames})

    return _of_sound_images(file, draw, images)[1]


def draw_columns(sampler: EpisodeSampler, file: AnnotationFile, prefix: str) -> EpisodeColumns:
    """As :func:`draw_episodes`, in columns; ``prefix`` is cut off the files' names."""
    if sampler.asks_absent:
        return EpisodeColumns.of_episodes(draw_episodes(sampler, file), prefix)

    def draw(tracks: Tracks) -> Lists:
        return sampler.rows(tracks, lambda error: file.drop(InputError(f'{file.path}: {error}')))

    def images(tracks: Tracks, episodes: Lists) -> list[int]:
        used: list[int] = np.unique(tracks.rows.images[episodes.items]).tolist()
        return used

    return EpisodeColumns.of_rows(*_of_sound_images(file, draw, images), prefix)


def _of_sound_images(
    file: AnnotationFile, draw: Callable[[Tracks], Drawn], images: Callable[[Tracks, Drawn], list[int]]
) -> tuple[Tracks, Drawn]:
    """The objects and what is drawn of them, of images that are as their records say."""
    tracks = file.tracks(check_images=False)
    drawn = draw(tracks)
    if not file.are_sound(tracks, images(tracks, drawn)):
        tracks = file.tracks()
        drawn = draw(tracks)
    return tracks, drawn
