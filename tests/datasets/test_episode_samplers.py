from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.datasets.episode import Frame, Track
from focus_mmdet.datasets.episode_samplers import RandomEpisodes, UniformSpanEpisodes


def track(length: int) -> Track:
    return Track('t', tuple(Frame(str(i), 10, 10, (0, 0, 1, 1)) for i in range(length)))


def numbers(episode):
    return [int(frame.path) for frame in episode.supports], int(episode.query.path)


@given(st.integers(1, 8), st.integers(2, 60))
def test_uniform_span_runs_from_the_first_frame_to_the_last(shots, length):
    if length <= shots:
        return
    ((supports, query),) = [
        numbers(episode) for episode in UniformSpanEpisodes(shots).sample(0, track(length))
    ]
    assert supports[0] == 0
    assert query == length - 1
    assert [*supports, query] == [round(i * (length - 1) / shots) for i in range(shots + 1)]
    assert len({*supports, query}) == shots + 1


@given(st.integers(5, 20), st.integers(0, 100))
def test_random_episodes_are_distinct_frames_and_come_again(length, seed):
    sampler = RandomEpisodes(shots=[1, 4], per_track=6, seed=seed)
    first = [numbers(episode) for episode in sampler.sample(3, track(length))]
    assert first == [numbers(episode) for episode in sampler.sample(3, track(length))]
    assert first != [numbers(episode) for episode in sampler.sample(4, track(length))]
    for supports, query in first:
        assert len(supports) in (1, 4)
        assert len({*supports, query}) == len(supports) + 1
