"""Answers with a box and the answer "none" are scored on one scale."""

import pytest
import torch

from focus_mmdet.core.prompt import ABSENT_ANSWER
from focus_mmdet.models.data_preprocessors.episode_encoder import EpisodeEncoder
from focus_mmdet.models.vlm.generation import Generated
from tests.conftest import FAMILIES, random_batch

BOX = '<answer>[17, 20, 500, 900]</answer>'


@pytest.fixture
def predict(shared_detector, monkeypatch):
    """What the head predicts where these texts were written, each token with the probability 0.9 but the
    one at which a box and "none" part."""

    def call(texts, decision, family='qwen3_vl', may_be_absent=True, **head):
        detector = shared_detector(family, **head)
        speech = EpisodeEncoder(detector.pretrained, may_be_absent)
        tokenize = speech.tokenizer
        ids = [torch.tensor(tokenize(text, add_special_tokens=False)['input_ids']) for text in texts]
        box, none = (tokenize(text, add_special_tokens=False)['input_ids'] for text in (BOX, ABSENT_ANSWER))
        parting = [first == second for first, second in zip(box, none, strict=False)].index(False)
        logps = [torch.full((len(each),), 0.9).log() for each in ids]
        for each in logps:
            each[min(parting, len(each) - 1)] = torch.tensor(decision).log()
        written = Generated(ids=ids, logps=logps, cut=torch.zeros(len(ids), dtype=torch.bool))
        monkeypatch.setattr(detector.bbox_head, 'generate', lambda *_, **__: written)
        data = random_batch(0, [1] * len(texts))
        batch = speech(data['inputs'], data['data_samples'])
        results = detector.bbox_head.predict(batch, data['data_samples'], speech)
        return data['data_samples'], results

    return call


@pytest.mark.parametrize('family', FAMILIES)
def test_a_box_has_the_probability_of_beginning_one_and_none_what_that_leaves(predict, family):
    samples, results = predict([BOX, ABSENT_ANSWER, 'a duck'], 0.8, family)
    assert [len(result.bboxes) for result in results] == [1, 0, 0]
    assert [sample.presence for sample in samples] == pytest.approx([0.8, 0.2, 0.0])
    assert float(results[0].scores) == samples[0].presence


def test_calibration_moves_both_alike_and_keeps_their_order(predict):
    odds = [
        [
            float(torch.tensor(sample.presence).logit())
            for sample in predict([BOX, ABSENT_ANSWER], 0.8, **head)[0]
        ]
        for head in ({}, {'score_calibration': (0.5, 1.0)})
    ]
    assert odds[1] == pytest.approx([0.5 * each + 1 for each in odds[0]], rel=1e-4)


def test_where_every_query_shows_it_all_tokens_count(predict):
    (sample,), (result,) = predict([BOX], 0.1, may_be_absent=False)
    assert 0.1 < sample.presence < 0.9
    assert float(result.scores) == sample.presence
