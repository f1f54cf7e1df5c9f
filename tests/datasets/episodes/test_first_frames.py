"""First frames are supports; what comes after them in their video is asked about, in order."""

from dataclasses import replace

import pytest

from focus_mmdet.datasets.episode import Frame, Track
from focus_mmdet.datasets.episodes.first_frames import FirstFramesEpisodes
from focus_mmdet.errors import InputError

BOX = (0.0, 0.0, 1.0, 1.0)


def frame(number, video='a', box=BOX):
    return Frame(f'{video}{number}', 10, 10, box, video=video, number=number)


@pytest.mark.parametrize('numbered', [True, False])
def test_later_frames_of_the_video_are_asked_about_with_and_without_the_object(numbered):
    frames = [frame(2), frame(4), frame(9), frame(10), frame(0, 'b')]
    absent = [
        frame(1, box=None),
        frame(3, box=None),
        frame(5, box=None),
        frame(11, box=None),
        frame(6, 'b', None),
    ]
    if not numbered:
        frames, absent = ([replace(each, number=None) for each in part] for part in (frames, absent))
    track = Track('cup', frames, absent)
    for shots, asked in ((1, ['a3', 'a4', 'a5', 'a9', 'a10', 'a11']), (2, ['a5', 'a9', 'a10', 'a11'])):
        episodes = FirstFramesEpisodes(shots).episodes(0, track, [track])
        assert [episode.query.path for episode in episodes] == asked
        assert {episode.supports for episode in episodes} == {tuple(frames[:shots])}


def test_an_object_in_several_videos_is_followed_in_each():
    frames = [frame(1), frame(2), frame(3, 'b'), frame(4, 'b'), frame(5, 'b'), frame(1, 'c')]
    track = Track('cup', frames, [frame(9, 'b', None), frame(9, 'c', None)])
    episodes = FirstFramesEpisodes().episodes(0, track, [track])
    asked = [(episode.supports[0].path, episode.query.path) for episode in episodes]
    assert asked == [('a1', 'a2'), ('b3', 'b4'), ('b3', 'b5'), ('b3', 'b9')]


def test_an_object_of_which_no_video_has_a_frame_left_is_refused():
    track = Track('cup', [frame(1), frame(2), frame(1, 'b')])
    with pytest.raises(InputError, match='cup: no video shows it in more than 2 frames, and 2 shots need 3'):
        FirstFramesEpisodes(2).episodes(0, track, [track])


def test_a_track_of_supports_alone_is_refused():
    track = Track('cup', [frame(1), frame(2)])
    with pytest.raises(InputError, match='cup: 2 images with a box, but 2 shots need 3'):
        FirstFramesEpisodes(2).episodes(0, track, [track])
