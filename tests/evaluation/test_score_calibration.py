"""Scores that lie are found out, and the fit mends them."""

import pytest
import torch

from focus_mmdet.evaluation import ScoreCalibration
from focus_mmdet.evaluation.score_calibration import fit_platt


def judged(scores, right, likeness=None):
    metric = ScoreCalibration()
    for index, (score, hit) in enumerate(zip(scores.tolist(), right.tolist(), strict=True)):
        box = [0, 0, 10, 10] if hit else [50, 50, 60, 60]
        predicted = {'bboxes': torch.tensor([box]).float(), 'scores': torch.tensor([score])}
        sample = {'instances': [{'bbox': [0, 0, 10, 10]}], 'pred_instances': predicted}
        if likeness is not None:
            sample['likeness'] = float(likeness[index])
        metric.process({}, [sample])
    return metric.evaluate(len(scores))


@pytest.fixture
def drawn():
    """True probabilities, and outcomes drawn from them."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(4000, generator=generator, dtype=torch.float64)
    return truth, (torch.rand(4000, generator=generator) < truth).double()


def test_honest_scores_have_little_error_and_need_no_change(drawn):
    figures = judged(*drawn)
    assert figures['score/ece'] < 0.03
    assert figures['score/scale'] == pytest.approx(1, abs=0.1)
    assert figures['score/offset'] == pytest.approx(0, abs=0.1)


def test_overconfident_scores_are_found_out_and_mended(drawn):
    truth, right = drawn
    loud = (3 * truth.logit(1e-6) + 1).sigmoid()
    figures = judged(loud, right)
    assert figures['score/ece'] > 0.1
    assert figures['score/ece_fitted'] < 0.03
    mended = (figures['score/scale'] * loud.logit(1e-6) + figures['score/offset']).sigmoid()
    assert (mended - truth).abs().mean() < 0.02


def test_likeness_that_tells_what_scores_do_not_is_given_its_weight(drawn):
    truth, right = drawn
    noise = torch.randn(len(truth), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    scores = (truth.logit(1e-6) + noise).sigmoid()
    figures = judged(scores, right, likeness=-noise / 4)
    assert figures['score/scale'] == pytest.approx(1, abs=0.1)
    assert figures['score/likeness'] == pytest.approx(4, abs=0.4)
    assert figures['score/ece_fitted'] < 0.03
    assert figures['score/auroc_fitted'] > figures['score/auroc'] + 0.02
    assert figures['score/auroc_fitted'] == pytest.approx(judged(*drawn)['score/auroc'], abs=0.01)


def test_likeness_that_says_the_opposite_is_left_out(drawn):
    truth, right = drawn
    without, with_it = judged(truth, right), judged(truth, right, likeness=-right)
    assert with_it.pop('score/likeness') == 0
    assert with_it == pytest.approx(without)
    assert with_it['score/auroc'] == with_it['score/auroc_fitted']


@pytest.mark.parametrize('outcome', [0.0, 1.0])
def test_the_fit_stays_finite_where_all_answers_are_alike(outcome):
    logits = torch.tensor([[0.9]] * 5, dtype=torch.float64).logit()
    scale, offset = fit_platt(logits, torch.full((5,), outcome).double())
    assert abs(scale) < 1e3
    assert abs(offset) < 1e3


def test_silence_has_no_score():
    metric = ScoreCalibration()
    empty = {'bboxes': torch.zeros(0, 4), 'scores': torch.zeros(0)}
    metric.process({}, [{'instances': [], 'pred_instances': empty}])
    assert metric.evaluate(1) == {'score/answers': 0.0}


@pytest.mark.parametrize(('threshold', 'right'), [(0.5, 0.25), (0.0, 0.75)])
def test_an_answer_of_absence_counts_by_the_presence_that_it_leaves(threshold, right):
    empty = {'bboxes': torch.zeros(0, 4), 'scores': torch.zeros(0)}
    absent = {'pred_instances': empty, 'parse_error': None, 'presence': 0.25}
    there = {'instances': [{'bbox': [0, 0, 10, 10]}]}
    boxes = [
        {'pred_instances': {'bboxes': torch.tensor([[0, 0, 10, y]]).float(), 'scores': torch.tensor([0.25])}}
        for y in (10, 1)
    ]
    unread = {**absent, **there, 'parse_error': 'no_box', 'presence': 0.0}
    metric = ScoreCalibration(threshold)
    metric.process({}, [absent | there, absent | {'instances': []}, *(box | there for box in boxes), unread])
    figures = metric.evaluate(5)
    assert figures['score/answers'] == 4
    assert figures['score/ece'] == pytest.approx(gap(right))


def gap(right):
    """Four answers of score 0.25 in bins of one."""
    return right * 0.75 + (1 - right) * 0.25


def test_episodes_that_a_sampler_repeated_count_once_beside_silence():
    metric = ScoreCalibration()
    empty = {'bboxes': torch.zeros(0, 4), 'scores': torch.zeros(0)}
    full = {'bboxes': torch.zeros(1, 4), 'scores': torch.tensor([0.5])}
    samples = [{'instances': [], 'pred_instances': predicted} for predicted in (full, empty, full, full)]
    metric.process({}, samples)
    assert metric.evaluate(3)['score/answers'] == 2
