"""A gallery has one reference, and each of its pictures once."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.datasets.episode import Frame, Track
from focus_mmdet.datasets.episodes.galleries import GalleryEpisodes
from focus_mmdet.errors import InputError

BOX = (0.0, 0.0, 1.0, 1.0)


def photos(name: str, count: int, absent: int = 0, alike: bool = False) -> Track:
    """Single photographs of an object, and some that list it as absent."""
    others = ((BOX,), ('k',)) if alike else ((), ())
    shown = [Frame(f'{name} {i}', 10, 10, BOX, 'k', *others, f'{name} {i}', 0) for i in range(count)]
    gone = [Frame(f'no {name} {i}', 10, 10, None, 'k', video=f'no {name} {i}') for i in range(absent)]
    return Track(name, tuple(shown), tuple(gone))


def pick(sampler, *tracks, index=0):
    return sampler.episodes(index, tracks[0], tracks)


@given(
    st.integers(2, 12), st.integers(0, 4), st.integers(3, 12), st.integers(1, 2),
    st.one_of(st.none(), st.integers(2, 12)), st.sampled_from([0.25, 0.5, 0.75]), st.integers(0, 9),
)  # fmt: skip
def test_one_reference_is_asked_about_pictures_with_and_without(
    count, absent, elsewhere, shots, size, share, seed
):
    """As many of each as the settings say, or one message that says what is missing."""
    tracks = [photos('cup', count, absent), photos('dog', elsewhere), photos('cat', 3)]
    sampler = GalleryEpisodes(shots, size, negatives=share, seed=seed)
    rest = count - shots
    shown = rest if size is None else min(rest, max(1, round(size * (1 - share))))
    lacking = round(rest * share / (1 - share)) if size is None else size - shown
    if rest < 1 or lacking > absent + elsewhere + 3:
        with pytest.raises(InputError, match=r'cup: .* need'):
            pick(sampler, *tracks)
        return
    drawn = pick(sampler, *tracks)
    assert drawn == pick(sampler, *tracks)
    assert len({episode.supports for episode in drawn}) == len({each.reference for each in drawn}) == 1
    pictures = {frame.path for frame in drawn[0].supports} | {episode.query.path for episode in drawn}
    assert len(pictures) == shots + len(drawn)
    gone = [episode.query.path for episode in drawn if episode.query.box is None]
    assert (len(drawn) - len(gone), len(gone)) == (shown, lacking)
    assert all(path.startswith('cup') == (path not in gone) for path in pictures)
    assert sum(path.startswith('no cup') for path in gone) == min(absent, lacking)


def test_pictures_without_the_object_come_from_all_others_alike():
    tracks = [photos('cup', 5), photos('dog', 90), photos('cat', 3), photos('hat', 90)]
    drawn = pick(GalleryEpisodes(size=13, negatives=0.7), *tracks)
    gone = [episode.query.path[:3] for episode in drawn if episode.query.box is None]
    assert {name: gone.count(name) for name in set(gone)} == {'dog': 3, 'cat': 3, 'hat': 3}


def test_pictures_of_objects_that_once_stand_together_lack_one_of_them():
    cup, dog = photos('cup', 4), photos('dog', 5)
    both = replace(dog, frames=(*dog.frames, replace(cup.frames[0], category='dog')))
    drawn = pick(GalleryEpisodes(), cup, both)
    gone = [episode.query.path for episode in drawn if episode.query.box is None]
    assert len(gone) == 3
    assert all(path.startswith('dog') for path in gone)


def test_other_seeds_and_targets_draw_others():
    tracks = [photos('cup', 30), photos('dog', 30)]
    galleries = [pick(GalleryEpisodes(seed=seed), *tracks, index=i) for seed, i in ((0, 0), (0, 1), (1, 0))]
    assert len({tuple(each.query.path for each in gallery) for gallery in galleries}) == 3


def test_galleries_among_look_alikes_show_one_in_every_picture():
    tracks = [photos('cup', 4, absent=2, alike=True), replace(photos('dog', 3), frames=photos('d', 3).frames)]
    drawn = pick(GalleryEpisodes(among_look_alikes=True), *tracks)
    assert all(any(episode.query.alike) for episode in drawn)
    assert all(not episode.query.path.startswith('no cup') for episode in drawn)
    with pytest.raises(InputError, match='among_look_alikes'):
        pick(GalleryEpisodes(among_look_alikes=True), photos('cup', 4))


@pytest.mark.parametrize('options', [dict(size=1), dict(negatives=1), dict(shots=0)])
def test_settings_out_of_range_are_named(options):
    (key,) = options
    with pytest.raises(InputError, match=f'episodes.{key}'):
        GalleryEpisodes(**options)
