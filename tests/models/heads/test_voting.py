"""Several answers elect a box."""

import copy

import pytest
import torch

from focus_mmdet.core.places import grid_places
from focus_mmdet.errors import InputError
from focus_mmdet.models.heads.seen_query import SeenQuery, supports_look
from focus_mmdet.models.heads.voting import Voting
from tests.conftest import FAMILIES, random_batch
from tests.models.vlm.test_known_prefix import episodes

SIDE = 10


def painted(*boxes):
    """(N, C) tokens of a grid, noise but for boxes in tenths, each of a look of its own."""
    generator = torch.Generator().manual_seed(0)
    looks = 3 * torch.randn(len(boxes), 16, generator=generator)
    tokens = torch.randn(SIDE, SIDE, 16, generator=generator)
    for look, (x1, y1, x2, y2) in zip(looks, boxes, strict=True):
        tokens[y1:y2, x1:x2] = look + 0.3 * torch.randn(y2 - y1, x2 - x1, 16, generator=generator)
    return tokens.view(-1, 16)


def seen(query):
    """A query beside a support that holds the first look in the box (2, 2, 6, 6)."""
    places = grid_places(SIDE, SIDE)
    support = painted((2, 2, 6, 6), (7, 7, 10, 10))
    return SeenQuery(supports_look([(support, places)], [torch.tensor([0.2, 0.2, 0.6, 0.6])]), query, places)


def elected(answers, query=None, **options):
    (box,) = Voting(draws=len(answers), **options).elect(
        torch.tensor(answers).float(), (100, 100), None if query is None else seen(query)
    )
    return box


def test_noise_is_in_every_part_once_a_step_and_the_same_each_time():
    first, *noise = Voting(draws=12).noise(5)
    noise = torch.stack(noise)
    assert first.isnan().all()
    assert (noise.sort(0).values * 12).floor().int().T.tolist() == [list(range(12))] * 5
    assert torch.equal(noise, Voting(draws=12).noise(5)[1:])
    assert len({tuple(column.argsort().tolist()) for column in noise.T}) == 5


def test_the_majority_is_averaged_and_strays_are_left_out():
    answers = [[70, 70, 90, 90], [10, 10, 50, 50], [12, 10, 50, 54], [8, 10, 50, 52]]
    assert elected(answers).tolist() == pytest.approx([10, 10, 50, 52])


def test_what_looks_like_the_object_outweighs_a_majority():
    query = painted((1, 5, 5, 9), (6, 0, 9, 3))
    answers = [[60, 0, 90, 30], [60, 0, 90, 30], [10, 50, 50, 90]]
    assert elected(answers, query, likeness=0.0, region=0.0).tolist() == pytest.approx([60, 0, 90, 30])
    for options in (dict(region=0.0), dict(likeness=0.0, region=1.0), {}):
        assert elected(answers, query, **options).tolist() == pytest.approx([10, 50, 50, 90], abs=1e-3)


def test_the_region_counts_as_several_answers_in_the_mean():
    query = painted((1, 5, 5, 9))
    answers = [[10, 50, 60, 90], [10, 50, 60, 90]]
    region = 100 * seen(query).region(0.4)
    for weight in (2.0, 6.0):
        expected = (2 * torch.tensor(answers[0]) + weight * region) / (2 + weight)
        assert elected(answers, query, region=weight / 2).tolist() == pytest.approx(
            expected.tolist(), abs=1e-3
        )


def test_where_all_answers_are_beside_it_the_region_is_elected():
    query = painted((1, 5, 5, 9), (6, 0, 9, 3))
    found = elected([[60, 0, 90, 30], [55, 0, 90, 30]], query)
    assert found.tolist() == pytest.approx([10, 50, 50, 90], abs=6)


@pytest.mark.parametrize('family', FAMILIES)
def test_votes_of_remembered_supports_and_of_batches_are_those_of_single_episodes(shared_detector, family):
    detector = shared_detector(family, voting=dict(draws=4), grammar=True).eval()
    head, speech, data = detector.bbox_head, detector.data_preprocessor, episodes(2, 3, 1)
    together = detector.test_step(copy.deepcopy(data))
    encoder = speech.encoder
    images = encoder.see([images[-1] for images in data['inputs']])
    first = speech({key: value[:1] for key, value in copy.deepcopy(data).items()})['inputs']
    behind = encoder.queries(images, 2)
    prefix = head.know_supports(first, behind.prompt_ids[0])
    samples = copy.deepcopy(data['data_samples'])
    queries = speech.queries(images, samples, 2, prefix.length)
    with torch.no_grad():
        remembered = head.predict(queries, samples, encoder, prefix)
    for index, sample in enumerate(together):
        single = {key: value[index : index + 1] for key, value in copy.deepcopy(data).items()}
        (alone,) = detector.test_step(single)
        found = sample.pred_instances.bboxes
        torch.testing.assert_close(found, alone.pred_instances.bboxes, rtol=0, atol=1e-3)
        torch.testing.assert_close(found, remembered[index].bboxes, rtol=0, atol=1e-3)
        assert sample.answer == alone.answer == samples[index].answer


@pytest.mark.parametrize('likely', [False, True])
def test_an_answer_without_a_box_is_put_to_the_vote_where_the_object_is_likely_there(
    make_detector, monkeypatch, likely
):
    detector = make_detector(voting=dict(draws=3), score_calibration=(1.0, 30.0 if likely else -30.0)).eval()
    drawn = iter(['who knows', '<answer>[1, 1, 5, 5]</answer>', 'so so', '<answer>[1, 1, 5, 7]</answer>'])
    monkeypatch.setattr(type(detector.data_preprocessor.encoder), 'decode', lambda *_: next(drawn))
    (sample,) = detector.test_step(random_batch(0, [1]))
    assert len(sample.pred_instances.bboxes) == likely
    if not likely:
        assert (sample.parse_error, sample.presence) == ('no_box', 0)
        return
    assert (sample.parse_error, sample.absent) == (None, False)
    assert sample.presence == float(sample.pred_instances.scores[0]) > 0.5
    assert sample.answer.startswith('<answer>[')


def test_where_nothing_was_answered_nothing_is_elected():
    assert Voting(draws=3).elect(torch.zeros(0, 4), (100, 100), seen(painted((1, 5, 5, 9)))).shape == (0, 4)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'voting': {'draws': 0}}, 'voting.draws=0'),
        ({'voting': {'drawn': 4}}, "voting={'drawn': 4}.*unexpected keyword"),
        ({'voting': {'draws': 4, 'likeness': -1}}, 'voting.likeness=-1'),
        ({'voting': {'draws': 4, 'region': 1e39}}, 'voting.region=1e\\+39'),
        ({'voting': {'draws': 4, 'threshold': 2}}, 'voting.threshold=2'),
        ({'voting': {'draws': 4}, 'temperature': 0.5}, 'voting draws answers by itself'),
    ],
)
def test_settings_out_of_range_are_refused(make_detector, options, message):
    with pytest.raises(InputError, match=message):
        make_detector(**options)
