"""How much a query looks like an object, token by token."""

import pytest
import torch

from focus_mmdet.models.heads.seen_query import seen_queries
from tests.conftest import FAMILIES, random_batch
from tests.models.vlm.test_known_prefix import episodes, parts


def unit(vector):
    return vector / vector.norm()


def share(place, box):
    """Of the area of a place, in a box."""
    sides = [max(0.0, min(place[i + 2], box[i + 2]) - max(place[i], box[i])) for i in (0, 1)]
    return sides[0] * sides[1] / ((place[2] - place[0]) * (place[3] - place[1]))


def slow_likeness(tokens, places, boxes):
    """Of the last image, as the docstrings say it."""
    query = [
        unit(feature.float())
        for feature, place in zip(tokens[-1], places[-1], strict=True)
        if not place.isnan().any()
    ]
    found = []
    for features, where, box in zip(tokens, places, boxes, strict=False):
        total = area = 0.0
        for feature, place in zip(features, where, strict=True):
            if not place.isnan().any():
                cover = share(place.tolist(), box.tolist())
                total += cover * max(float(unit(feature.float()) @ each) for each in query)
                area += cover
        found.append(total / area)
    return max(found)


@pytest.mark.parametrize('shots', [1, 3])
@pytest.mark.parametrize('family', FAMILIES)
def test_likeness_is_that_of_loops_over_tokens_and_the_same_behind_a_prefix(shared_detector, family, shots):
    detector = shared_detector(family, score_likeness=1.0).eval()
    head, data = detector.bbox_head, episodes(shots, 3, shots)
    prefix, queries = parts(detector, data)
    batch = detector.data_preprocessor(data)['inputs']
    with torch.no_grad():
        seen = head._seen(head.vlm.image_features(batch), batch.places)
        whole, behind = head._seen_queries(batch, None), head._seen_queries(queries, prefix)
    count = shots + 1
    for index, (found, same) in enumerate(zip(whole, behind, strict=True)):
        images = slice(index * count, (index + 1) * count)
        expected = slow_likeness(*zip(*seen[images], strict=True), batch.support_boxes[index])
        assert float(found.likeness) == pytest.approx(expected, abs=1e-4)
        assert float(same.likeness) == pytest.approx(expected, abs=1e-4)
        boxes = torch.tensor([[0.0, 0.0, 0.5, 0.6], [0.4, 0.1, 0.45, 0.9]])
        torch.testing.assert_close(found.alike(boxes), same.alike(boxes), rtol=0, atol=1e-4)
        assert found.region(0.65).tolist() == pytest.approx(same.region(0.65).tolist())


def test_likeness_is_added_to_the_logit_of_the_score(shared_detector):
    data = random_batch(0, [1, 2])
    scores = []
    for weight in (None, 0.0, 3.0):
        detector = shared_detector('fast_vlm', score_likeness=weight, grammar=True).eval()
        with torch.no_grad():
            samples = detector.test_step(data)
        scores.append([torch.tensor(sample.presence).logit().item() for sample in samples])
        assert ['likeness' in sample for sample in samples] == [weight is not None] * 2
    alike = [sample.likeness for sample in samples]
    assert scores[1] == pytest.approx(scores[0])
    assert scores[2] == pytest.approx([s + 3 * a for s, a in zip(scores[0], alike, strict=True)], abs=1e-3)


def test_features_of_supports_are_kept_where_something_asks_for_them(shared_detector):
    kept = []
    for options in ({}, {'score_likeness': 0.0}, {'voting': {'draws': 2}}):
        prefix, _ = parts(shared_detector('qwen3_vl', **options).eval(), episodes(1, 1, 0))
        layers = sum(tensor.nbytes for layer in prefix.layers for tensor in layer)
        kept.append((prefix.look is not None, prefix.bytes > layers))
    assert kept == [(False, False), (True, True), (True, True)]


def test_an_episode_without_supports_is_like_nothing(shared_detector):
    detector = shared_detector('qwen3_vl', score_likeness=1.0).eval()
    batch = detector.data_preprocessor(random_batch(0, [0, 1]))['inputs']
    seen = detector.bbox_head._seen(detector.extract_feat(batch), batch.places)
    nothing, something = seen_queries(batch, seen, None)
    assert nothing is None
    assert -1 <= float(something.likeness) <= 1
