"""What samplers pick, as settings say and the same every time."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdet.registry import DATASETS
from PIL import Image

from focus_mmdet.datasets.episode import Frame, Track
from focus_mmdet.datasets.episodes.samplers import RandomEpisodes, SameImageEpisodes, UniformSpanEpisodes
from focus_mmdet.errors import InputError

BOX = (0.0, 0.0, 1.0, 1.0)


def track(length: int, video: str = 'v', alike=(), absent: int = 0) -> Track:
    frames = [
        Frame(str(i), 10, 10, BOX, 'k', (BOX,) * (i in alike), ('k',) * (i in alike), video, i)
        for i in range(length)
    ]
    missing = [
        Frame(f'absent {i}', 10, 10, None, 'k', (BOX,) * (i > 0), ('k',) * (i > 0), video, length + i)
        for i in range(absent)
    ]
    return Track(video, tuple(frames), tuple(missing))


def pick(sampler, *tracks, index=0):
    return sampler.episodes(index, tracks[0], tracks)


def numbers(episode):
    return [int(frame.path) for frame in episode.supports], int(episode.query.path)


@given(st.integers(1, 8), st.integers(2, 60))
def test_uniform_span_runs_from_the_first_frame_to_the_last(shots, length):
    if length <= shots:
        with pytest.raises(InputError, match='shots need'):
            pick(UniformSpanEpisodes(shots), track(length))
        return
    ((supports, query),) = map(numbers, pick(UniformSpanEpisodes(shots), track(length)))
    assert supports[0] == 0
    assert query == length - 1
    assert [*supports, query] == [round(i * (length - 1) / shots) for i in range(shots + 1)]
    assert len({*supports, query}) == shots + 1


@given(st.integers(5, 20), st.integers(0, 100))
def test_random_episodes_are_distinct_frames_and_come_again(length, seed):
    sampler = RandomEpisodes(shots=[1, 4], per_track=6, seed=seed)
    first = pick(sampler, track(length), index=3)
    assert first == pick(sampler, track(length), index=3)
    assert first != pick(sampler, track(length), index=4)
    for supports, query in map(numbers, first):
        assert len(supports) in (1, 4)
        assert len({*supports, query}) == len(supports) + 1


@given(st.integers(2, 30), st.integers(1, 12), st.integers(0, 50))
def test_the_minimal_gap_holds_or_is_refused(length, gap, seed):
    sampler = RandomEpisodes(shots=2, per_track=5, min_gap=gap, seed=seed)
    possible = any(sum(abs(i - q) >= gap for i in range(length)) >= 2 for q in range(length))
    if length < 3 or not possible:
        with pytest.raises(InputError):
            pick(sampler, track(length))
        return
    for episode in pick(sampler, track(length)):
        supports, query = numbers(episode)
        assert min(abs(query - support) for support in supports) == episode.gap >= gap


def test_a_gap_is_no_matter_between_videos():
    photos = Track('cup', tuple(Frame(str(i), 10, 10, BOX, video=i, number=0) for i in range(3)))
    (episode,) = pick(RandomEpisodes(shots=2, min_gap=100), photos)
    assert episode.gap is None


def test_only_the_most_frequent_object_of_a_video_is_a_target():
    tracks = [track(3, 'a'), replace(track(5, 'a'), name='long'), replace(track(5, 'a'), name='later')]
    tracks.append(track(2, 'b'))
    chosen = UniformSpanEpisodes(target='most_frequent').targets(tracks)
    assert [each.name for each in chosen] == ['long', 'b']
    assert UniformSpanEpisodes().targets(tracks) == tracks


def test_queries_among_look_alikes_show_one():
    mixed = track(8, alike=(3, 5))
    (episode,) = pick(UniformSpanEpisodes(2, among_look_alikes=True), mixed)
    assert numbers(episode) == ([0, 2], 5)
    drawn = pick(RandomEpisodes(per_track=20, among_look_alikes=True), mixed)
    assert {int(episode.query.path) for episode in drawn} == {3, 5}
    for sampler in (UniformSpanEpisodes(among_look_alikes=True), RandomEpisodes(among_look_alikes=True)):
        with pytest.raises(InputError, match='among_look_alikes'):
            pick(sampler, track(8))


def test_negatives_have_queries_without_the_target_in_the_stated_share():
    sampler = RandomEpisodes(per_track=400, negatives=0.25)
    drawn = pick(sampler, track(6, absent=3), track(6, 'other'))
    negative = [episode for episode in drawn if episode.query.box is None]
    assert 70 < len(negative) < 130
    assert all(episode.query.path.startswith('absent') for episode in negative)
    plain = pick(RandomEpisodes(per_track=400), track(6))
    assert [episode.supports for episode in drawn] == [episode.supports for episode in plain]


def test_a_negative_without_absent_frames_comes_from_another_video():
    sampler = UniformSpanEpisodes(negatives=1.0)
    (episode,) = pick(sampler, track(6), replace(track(6), name='same video'), track(6, 'other'))
    assert episode.query.box is None
    assert episode.query.video == 'other'
    assert episode.query.others == (BOX,)
    with pytest.raises(InputError, match='no image is known to lack it'):
        pick(sampler, track(6))


def test_an_object_that_stands_beside_the_target_once_is_asked_where_it_stands_without_it():
    """As in a photo collection, in which each picture is a video of its own."""
    together, alone = track(1).frames, track(5, 'alone').frames
    (episode,) = pick(UniformSpanEpisodes(negatives=1.0), track(6), Track('dog', (*together, *alone)))
    assert (episode.query.box, episode.query.video) == (None, 'alone')


@pytest.mark.parametrize('elsewhere', [frozenset({'other'}), None])
def test_a_negative_comes_from_no_video_that_may_show_the_target(elsewhere):
    unsure = replace(track(6), elsewhere=elsewhere)
    with pytest.raises(InputError, match='no image is known to lack it'):
        pick(UniformSpanEpisodes(negatives=1.0), unsure, track(6, 'other'))
    (episode,) = pick(UniformSpanEpisodes(negatives=1.0), replace(unsure, absent=track(6, absent=1).absent))
    assert episode.query.path == 'absent 0'


def test_negatives_keep_to_the_other_settings():
    settings = dict(per_track=40, negatives=1.0, among_look_alikes=True, min_gap=3)
    drawn = pick(RandomEpisodes(**settings), track(6, alike=(0, 5), absent=6))
    # Absent frame 0 shows no look-alike, and follows frame 5 at once.
    assert {episode.query.path for episode in drawn} <= {f'absent {i}' for i in range(1, 6)}
    assert all(episode.gap >= 3 for episode in drawn)
    other = replace(track(3, 'other'), frames=track(3, 'other').frames[:1])
    (episode,) = pick(UniformSpanEpisodes(negatives=1.0, among_look_alikes=True), track(6, alike=(5,)), other)
    assert episode.query.alike == [True]
    different = replace(other, frames=(replace(other.frames[0], category='dog'),))
    with pytest.raises(InputError, match='no other video'):
        pick(UniformSpanEpisodes(negatives=1.0, among_look_alikes=True), track(6, alike=(5,)), different)


@pytest.mark.parametrize(
    'options', [dict(shots=0), dict(shots=[]), dict(target='all'), dict(negatives=1.5), dict(seed=-1)]
)
def test_settings_out_of_range_are_named(options):
    (key,) = options
    for kind in (UniformSpanEpisodes, RandomEpisodes):
        with pytest.raises(InputError, match=key):
            kind(**options)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 7))
def test_same_image_episodes_have_one_frame_and_take_them_in_turn(shots, length, per_track):
    episodes = [numbers(episode) for episode in pick(SameImageEpisodes(shots, per_track), track(length))]
    assert episodes == [([i % length] * shots, i % length) for i in range(per_track)]


def test_same_image_episodes_are_different_crops_with_the_same_object_in_the_box(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    image = dict(id=1, file_name='a.png', width=120, height=90, video_id=1, frame_id=0)
    boxes = [dict(id=1, image_id=1, instance_id=1, bbox=[40, 30, 24, 16])]
    (tmp_path / 'a.json').write_text(json.dumps(dict(images=[image], annotations=boxes)))
    episodes = DATASETS.build(
        dict(
            type='EpisodeDataset',
            data_root=str(tmp_path),
            ann_file='a.json',
            episodes=dict(type='SameImageEpisodes', shots=2, per_track=3),
            pipeline=[
                dict(
                    type='ForEachFrame',
                    transforms=[
                        dict(type='LoadFrame'),
                        dict(type='CropAroundBox'),
                        dict(type='LoadAnnotations', with_bbox=True),
                    ],
                ),
                dict(type='PackEpisodeInputs'),
            ],
        )
    )
    crops = set()
    for episode in episodes:
        samples = [*episode['data_samples'].supports, episode['data_samples']]
        for image, sample in zip(episode['inputs'], samples, strict=True):
            x1, y1, x2, y2 = sample.gt_instances.bboxes[0].int().tolist()
            shown = image[:, y1:y2, x1:x2].permute(1, 2, 0).numpy()
            assert (shown == pixels[30:46, 40:64]).all()
            crops.add((x1, y1, *image.shape))
    assert len(crops) == 9
