"""Figures of a ranking against what their definitions say, word by word."""

from itertools import pairwise, permutations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from focus_mmdet.evaluation.ranking import auroc, average_precision, precision_at, ranking_figures

#: Few different scores, so that many are equal.
PICTURES = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 1 - 1e-9, 1.0]), st.booleans()), min_size=2)


def columns(pictures):
    shown = [each for _, each in pictures]
    assume(0 < sum(shown) < len(shown))
    return torch.tensor([score for score, _ in pictures], dtype=torch.float64), torch.tensor(shown)


@given(PICTURES)
def test_auroc_is_the_share_of_pairs_in_order(pictures):
    scores, shown = columns(pictures)
    won = [
        1.0 if first > second else 0.5 if first == second else 0.0
        for first in scores[shown].tolist()
        for second in scores[~shown].tolist()
    ]
    assert auroc(scores, shown) == pytest.approx(sum(won) / len(won))


@given(PICTURES)
def test_average_precision_is_the_mean_precision_down_to_each_picture_that_shows_it(pictures):
    scores, shown = columns(pictures)
    precisions = [float(shown[scores >= score].double().mean()) for score in scores[shown]]
    assert average_precision(scores, shown) == pytest.approx(sum(precisions) / len(precisions))


@given(PICTURES.filter(lambda pictures: len(pictures) <= 6), st.data())
def test_precision_is_the_mean_over_all_orders_that_the_scores_allow(pictures, data):
    scores, shown = columns(pictures)
    count = data.draw(st.integers(1, len(pictures)))
    allowed = [
        order
        for order in permutations(pictures)
        if all(first[0] >= second[0] for first, second in pairwise(order))
    ]
    right = [sum(each for _, each in order[:count]) / count for order in allowed]
    assert precision_at(count, scores, shown) == pytest.approx(sum(right) / len(right))


def test_galleries_are_ranked_each_for_itself():
    """Scores of one reference are all below those of the other, and each ranks its own without a fault."""
    scores, shown = [0.9, 0.8, 0.2, 0.1, 0.95], [True, False, True, False, True]
    references = ['cup', 'cup', 'dog', 'dog', 'shown in every picture']
    figures = ranking_figures(scores, shown, references, tops=(1, 2, 3))
    assert figures['galleries'] == 2
    assert figures['gallery_size'] == 2
    assert figures['gallery_auroc'] == figures['gallery_ap'] == figures['gallery_precision@1'] == 1
    assert figures['gallery_precision@2'] == figures['gallery_chance_ap'] == 0.5
    assert 'gallery_precision@3' not in figures
    assert figures['presence_auroc'] == pytest.approx(5 / 6)
    assert set(ranking_figures(scores, shown, [None] * 5, (1,))) == {'presence_auroc', 'presence_ap'}
